import { Component, useState } from "@odoo/owl";

import { useService } from "@web/core/utils/hooks";

import { useAsking } from "./ask";

/** Below what Odoo has: what Gmail finds beyond it, on a click. */
export class GmailInGmail extends Component {
    static template = "gmail_oauth_mailbox.InGmail";
    static props = { date: Function };

    setup() {
        this.gmail = useState(useService("gmail_oauth_mailbox"));
        this.asking = useAsking();
    }

    /** The list may be read anew meanwhile: what was found is kept beside it. */
    get found() {
        return this.gmail.inGmail?.found;
    }

    get more() {
        return this.gmail.inGmail?.more;
    }

    get problems() {
        const problems = [this.asking.error, ...(this.gmail.inGmail?.problems || [])];
        return problems.filter(Boolean);
    }

    search() {
        return this.asking.ask(() => this.gmail.searchGmail());
    }

    open(row) {
        return this.asking.ask(() => this.gmail.bring(row), row.gmail_id);
    }
}
