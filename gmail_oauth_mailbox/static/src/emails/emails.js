import { Component, onWillStart, useState } from "@odoo/owl";

import { deserializeDateTime } from "@web/core/l10n/dates";
import { _t } from "@web/core/l10n/translation";
import { registry } from "@web/core/registry";
import { useService } from "@web/core/utils/hooks";
import { Layout } from "@web/search/layout";
import { standardActionServiceProps } from "@web/webclient/actions/action_service";

import { sentenceOf } from "../panel/gmail_service";

/** The emails of a document: what is shared there, and one's own. */
export class GmailEmails extends Component {
    static template = "gmail_oauth_mailbox.Emails";
    static components = { Layout };
    static props = { ...standardActionServiceProps };

    setup() {
        this.gmail = useState(useService("gmail_oauth_mailbox"));
        const { res_model, res_id, name } = this.props.action.params || {};
        this.document = { model: res_model, res_id };
        this.display = { controlPanel: {} };
        this.state = useState({ emails: [], before: false, busy: true, error: "" });
        this.env.config.setDisplayName(name ? _t("Emails: %s", name) : _t("Emails"));
        onWillStart(() => {
            // Without waiting: the page shows that it loads.
            this.load();
        });
    }

    async load() {
        this.state.busy = true;
        this.state.error = "";
        try {
            const page = await this.gmail.emailsOf(
                this.document.model,
                this.document.res_id,
                this.state.before
            );
            this.state.emails.push(...page.emails);
            this.state.before = page.before;
            this.env.config.setDisplayName(_t("Emails: %s", page.name));
        } catch (error) {
            this.state.error = sentenceOf(error);
        } finally {
            this.state.busy = false;
        }
    }

    date(value) {
        return deserializeDateTime(value).toLocaleString(luxon.DateTime.DATETIME_MED);
    }

    directionTitle(email) {
        return email.direction === "out" ? _t("Sent") : _t("Received");
    }

    /** Her own copy opens in the panel; what colleagues share stands in a document. */
    open(email) {
        if (email.thread_id) {
            return this.gmail.openAt(email.mailbox_id, email.thread_id);
        }
        return this.gmail.openDocument(email);
    }
}

registry.category("actions").add("gmail_oauth_mailbox.emails", GmailEmails);
