import { Component, useRef, useState } from "@odoo/owl";

import { Dropdown } from "@web/core/dropdown/dropdown";
import { DropdownItem } from "@web/core/dropdown/dropdown_item";
import { _t } from "@web/core/l10n/translation";
import { useAutofocus, useService } from "@web/core/utils/hooks";
import { useDebounced } from "@web/core/utils/timing";

import { useAsking } from "./ask";
import { sentenceOf } from "./gmail_service";

const SEARCH_PAUSE = 300;
const LEVELS = {
    metadata: _t("who and when"),
    subject: _t("subject"),
    everything: _t("everything"),
};
const ICONS = {
    "res.partner": "fa-user",
    "crm.lead": "fa-star",
    "sale.order": "fa-shopping-cart",
    "project.task": "fa-check-square-o",
    "helpdesk.ticket": "fa-life-ring",
};

/** Where the open conversation belongs, and who can read it. */
export class GmailDocuments extends Component {
    static template = "gmail_oauth_mailbox.Documents";
    static components = { Dropdown, DropdownItem };
    static props = {};

    setup() {
        this.gmail = useState(useService("gmail_oauth_mailbox"));
        this.state = useState({
            isAdding: false,
            text: "",
            found: null,
        });
        this.asking = useAsking();
        this.calls = 0;
        this.root = useRef("root");
        useAutofocus({ refName: "find" });
        this.search = useDebounced((text) => this.find(text), SEARCH_PAUSE);
    }

    get documents() {
        return this.gmail.documents;
    }

    icon({ model }) {
        return ICONS[model] || "fa-file-o";
    }

    unlinkTitle(link) {
        return _t("Take it out of %s", link.name);
    }

    get levelName() {
        const { level, mailbox_level } = this.documents;
        if (level === "nobody") {
            return _t("Kept private");
        }
        const name = LEVELS[level || mailbox_level];
        return name ? _t("Shared: %s", name) : _t("Private");
    }

    get mailboxChoice() {
        const name = LEVELS[this.documents.mailbox_level];
        return name ? _t("As the mailbox: %s", name) : _t("As the mailbox: private");
    }

    // -- what she does ------------------------------------------------------

    change(method, ...args) {
        return this.asking.ask(() => this.gmail.changeDocuments(method, ...args));
    }

    share(level) {
        return this.change("panel_share", level);
    }

    async link(found) {
        if (await this.change("panel_link", found.model, found.res_id)) {
            this.close();
        }
    }

    unlink(link) {
        return this.change("panel_unlink", link.model, link.res_id);
    }

    async make({ model, name }) {
        const made = await this.change("panel_make", model);
        if (made) {
            this.close();
            this.gmail.say(_t("%s created.", name), {
                name: _t("Open"),
                onClick: () => this.gmail.openDocument({ model, res_id: made.res_id }),
            });
        }
    }

    toggle() {
        if (this.state.isAdding) {
            this.close();
        } else {
            this.state.isAdding = true;
            this.asking.error = "";
        }
    }

    /** Escape closes the box, not the panel. */
    onKeydown(ev) {
        if (ev.key === "Escape") {
            ev.preventDefault();
            ev.stopPropagation();
            this.close();
        }
    }

    close() {
        this.calls++;
        Object.assign(this.state, { isAdding: false, text: "", found: null });
        this.root.el?.querySelector(".o_gmail_add_document")?.focus();
    }

    onInput(ev) {
        this.state.text = ev.target.value.trim();
        this.search(this.state.text);
    }

    async find(text) {
        const call = ++this.calls;
        if (!text) {
            this.state.found = null;
            return;
        }
        this.asking.error = "";
        try {
            const found = await this.gmail.findDocuments(text);
            if (call === this.calls) {
                this.state.found = found;
            }
        } catch (error) {
            if (call === this.calls) {
                this.state.found = null;
                this.asking.error = sentenceOf(error);
            }
        }
    }
}
