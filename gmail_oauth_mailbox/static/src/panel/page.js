import { Component, onMounted, onWillUnmount, useEffect, useState } from "@odoo/owl";

import { _t } from "@web/core/l10n/translation";
import { registry } from "@web/core/registry";
import { useService } from "@web/core/utils/hooks";
import { useSetupAction } from "@web/search/action_hook";
import { standardActionServiceProps } from "@web/webclient/actions/action_service";

import { GmailMail } from "./mail";

/** The menu "Email": the same client on the whole page. */
export class GmailPage extends Component {
    static template = "gmail_oauth_mailbox.Page";
    static components = { GmailMail };
    static props = { ...standardActionServiceProps };
    static path = "gmail";
    static displayName = _t("My mail");

    setup() {
        const gmail = useState(useService("gmail_oauth_mailbox"));
        // Whoever comes back by the breadcrumbs finds what she left.
        useSetupAction({ getLocalState: () => ({ threadId: gmail.threadId }) });
        onMounted(() => {
            const left = this.props.state?.threadId;
            return gmail.enterPage(left ?? this.props.resId ?? false);
        });
        onWillUnmount(() => gmail.leavePage());
        // Its address names the conversation that is open.
        useEffect(
            (resId) => this.props.updateActionState({ resId }),
            () => [gmail.threadId]
        );
    }
}

registry.category("actions").add("gmail_oauth_mailbox.page", GmailPage);
