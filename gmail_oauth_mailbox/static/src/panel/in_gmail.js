import { Component, useState } from "@odoo/owl";

import { useService } from "@web/core/utils/hooks";

import { sentenceOf } from "./gmail_service";

/** Below what Odoo has: what Gmail finds beyond it, on a click. */
export class GmailInGmail extends Component {
    static template = "gmail_oauth_mailbox.InGmail";
    static props = { date: Function };

    setup() {
        this.gmail = useState(useService("gmail_oauth_mailbox"));
        this.state = useState({ problem: "", busy: false });
    }

    /** The list may be read anew meanwhile: what was found is kept beside it. */
    get found() {
        return this.gmail.inGmail?.found;
    }

    get more() {
        return this.gmail.inGmail?.more;
    }

    get problems() {
        const problems = [this.state.problem, ...(this.gmail.inGmail?.problems || [])];
        return problems.filter(Boolean);
    }

    search() {
        return this.ask(true, () => this.gmail.searchGmail());
    }

    open(row) {
        return this.ask(row.gmail_id, () => this.gmail.bring(row));
    }

    async ask(what, call) {
        if (this.state.busy) {
            return;
        }
        Object.assign(this.state, { busy: what, problem: "" });
        try {
            await call();
        } catch (error) {
            this.state.problem = sentenceOf(error);
        } finally {
            this.state.busy = false;
        }
    }
}
