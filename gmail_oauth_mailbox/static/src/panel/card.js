import { Component, onWillStart, useRef, useState } from "@odoo/owl";

import { _t } from "@web/core/l10n/translation";
import { useService } from "@web/core/utils/hooks";

import { useAsking } from "./ask";
import { useFocusWithin } from "./focus";

const MOST_COUNTED = 100;

/** Who somebody on a conversation is, and what can be done about it. */
export class GmailCard extends Component {
    static template = "gmail_oauth_mailbox.Card";
    static props = {
        address: String,
        name: { type: String, optional: true },
        close: Function,
    };

    setup() {
        this.gmail = useService("gmail_oauth_mailbox");
        this.asking = useAsking();
        this.state = useState({ card: null });
        this.root = useRef("root");
        useFocusWithin(this.root);
        onWillStart(() => {
            // The card is there at once, what is known of them a moment later.
            this.ask(() => this.gmail.callThread("panel_card", this.props.address));
        });
    }

    get title() {
        const { card } = this.state;
        return (
            card?.contact?.name || card?.name || this.props.name || this.props.address
        );
    }

    get mails() {
        const { mails } = this.state.card;
        if (mails === 1) {
            return _t("1 email");
        }
        return mails < MOST_COUNTED
            ? _t("%s emails", mails)
            : _t("%s emails or more", mails);
    }

    async ask(call) {
        this.state.card = (await this.asking.ask(call)) || this.state.card;
    }

    createContact() {
        return this.ask(async () => {
            const card = await this.gmail.callThread(
                "panel_make_contact",
                this.props.address
            );
            await this.gmail.readDocuments();
            return card;
        });
    }

    openContact() {
        this.props.close();
        return this.gmail.openDocument({
            model: "res.partner",
            res_id: this.state.card.contact.id,
        });
    }

    write() {
        this.props.close();
        const { name, address } = this.state.card;
        return this.gmail.write(
            name ? `"${name.replaceAll('"', "")}" <${address}>` : address,
            this.gmail.thread.mailbox_id
        );
    }

    showMail() {
        this.props.close();
        return this.gmail.findMail(this.state.card.address);
    }

    exclude() {
        this.props.close();
        return this.gmail.exclude(this.state.card.address);
    }
}
