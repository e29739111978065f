import { Component, useState } from "@odoo/owl";

import { registry } from "@web/core/registry";
import { useService } from "@web/core/utils/hooks";

/** What is on its way and can be taken back, and what was done: wherever she goes. */
export class GmailStatus extends Component {
    static template = "gmail_oauth_mailbox.Status";
    static props = {};

    setup() {
        this.gmail = useState(useService("gmail_oauth_mailbox"));
    }
}

registry
    .category("main_components")
    .add("gmail_oauth_mailbox.Status", { Component: GmailStatus });
