import { Component, useRef } from "@odoo/owl";

import { AutoComplete } from "@web/core/autocomplete/autocomplete";
import { _t } from "@web/core/l10n/translation";
import { useService } from "@web/core/utils/hooks";

const SEPARATORS = /[,;\n]+/;
// The server looks for no less.
const SHORTEST = 2;
const NAMED = /^\s*"?([^"<]*)"?\s*<([^<>\s]+)>\s*$/;

/** Return {name, email} of what somebody typed: an address, with or without a name. */
export function parsePerson(text) {
    const match = NAMED.exec(text);
    return match
        ? { name: match[1].trim(), email: match[2] }
        : { name: "", email: text.trim() };
}

/** Return the text of recipients as RFC 5322 writes it. */
export function formatPeople(people) {
    return people
        .map(({ name, email }) => {
            const plain = name.replace(/["\\<>\r\n]/g, " ").trim();
            return plain ? `"${plain}" <${email}>` : email;
        })
        .join(", ");
}

/** Recipients as tags, and a field that completes them. */
export class GmailPeople extends Component {
    static template = "gmail_oauth_mailbox.People";
    static components = { AutoComplete };
    static props = {
        id: String,
        label: String,
        people: Array,
        onChange: Function,
    };

    setup() {
        this.gmail = useService("gmail_oauth_mailbox");
        this.root = useRef("root");
    }

    get sources() {
        return [{ options: (text) => this.complete(text) }];
    }

    isWrong(person) {
        return !/^[^@\s]+@[^@\s]+\.[^@\s]+$/.test(person.email);
    }

    async complete(text) {
        if (text.trim().length < SHORTEST) {
            return [];
        }
        const found = await this.gmail.completePeople(text);
        return found.map((person) => ({
            label: person.name ? `${person.name} <${person.email}>` : person.email,
            onSelect: () => this.add([person]),
        }));
    }

    add(people) {
        const known = new Set(this.props.people.map((p) => p.email.toLowerCase()));
        const fresh = people.filter(({ email }) => {
            const isNew = email && !known.has(email.toLowerCase());
            known.add(email.toLowerCase());
            return isNew;
        });
        this.clear();
        if (fresh.length) {
            this.props.onChange([
                ...this.props.people,
                ...fresh.map(({ name, email }) => ({ name, email })),
            ]);
        }
    }

    /** Take what is typed as it is: nothing that was written is lost. */
    take(text) {
        const pieces = text.split(SEPARATORS).filter((piece) => piece.trim());
        if (pieces.length) {
            this.add(pieces.map(parsePerson));
        }
    }

    clear() {
        const input = this.root.el?.querySelector("input");
        if (input) {
            input.value = "";
            // The field keeps what was typed beside it.
            input.dispatchEvent(new InputEvent("input"));
        }
    }

    removeLabel(address) {
        return _t("Remove %s", address);
    }

    remove(index) {
        this.props.onChange(this.props.people.filter((_p, place) => place !== index));
    }

    onInput({ inputValue }) {
        if (SEPARATORS.test(inputValue)) {
            this.take(inputValue);
        }
    }

    onKeydown(ev) {
        const { value } = ev.target;
        if (ev.key === "Backspace" && !value && this.props.people.length) {
            this.remove(this.props.people.length - 1);
        } else if (ev.key === "Enter" && value.includes("@")) {
            ev.preventDefault();
            ev.stopPropagation();
            this.take(value);
        }
    }
}
