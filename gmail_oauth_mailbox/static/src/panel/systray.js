import { Component, useState } from "@odoo/owl";

import { registry } from "@web/core/registry";
import { useService } from "@web/core/utils/hooks";

export class GmailSystray extends Component {
    static template = "gmail_oauth_mailbox.Systray";
    static props = {};

    setup() {
        this.gmail = useState(useService("gmail_oauth_mailbox"));
    }

    get badge() {
        const unread = this.gmail.unread;
        return unread > 99 ? "99+" : unread;
    }
}

registry
    .category("systray")
    .add("gmail_oauth_mailbox.Systray", { Component: GmailSystray }, { sequence: 24 });
