import { Component, onMounted, onWillUnmount } from "@odoo/owl";

import { registry } from "@web/core/registry";
import { useService } from "@web/core/utils/hooks";
import { standardActionServiceProps } from "@web/webclient/actions/action_service";

import { GmailMail } from "./mail";

/** The menu "Email": the same client on the whole page. */
export class GmailPage extends Component {
    static template = "gmail_oauth_mailbox.Page";
    static components = { GmailMail };
    static props = { ...standardActionServiceProps };

    setup() {
        const gmail = useService("gmail_oauth_mailbox");
        onMounted(() => gmail.enterPage());
        onWillUnmount(() => gmail.leavePage());
    }
}

registry.category("actions").add("gmail_oauth_mailbox.page", GmailPage);
