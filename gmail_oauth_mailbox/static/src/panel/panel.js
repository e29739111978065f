import { Component, useState } from "@odoo/owl";

import { registry } from "@web/core/registry";
import { useService } from "@web/core/utils/hooks";

import { GmailMail } from "./mail";

/** The drawer of the top bar. */
export class GmailPanel extends Component {
    static template = "gmail_oauth_mailbox.Panel";
    static components = { GmailMail };
    static props = {};

    setup() {
        this.gmail = useState(useService("gmail_oauth_mailbox"));
    }
}

registry
    .category("main_components")
    .add("gmail_oauth_mailbox.Panel", { Component: GmailPanel });
