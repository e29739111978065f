import { useState } from "@odoo/owl";

import { Composer } from "@mail/core/common/composer";
import { Store } from "@mail/core/common/store_service";
import { user } from "@web/core/user";
import { useService } from "@web/core/utils/hooks";
import { patch } from "@web/core/utils/patch";

import { formatPeople } from "../panel/people";

/** Whoever has several addresses chooses which one the chatter writes from. */
patch(Composer.prototype, {
    setup() {
        super.setup();
        this.gmail = useState(useService("gmail_oauth_mailbox"));
        this.gmailChoice = useState({ address: "" });
    },

    /** Addresses to choose from, the usual one first; none where there is no choice. */
    get gmailSenders() {
        const { type, composer } = this.props;
        const isMail = type === "message" && !composer.message;
        if (!isMail || composer.thread?.model === "discuss.channel") {
            return [];
        }
        const senders = this.gmail.info?.senders || [];
        const usual = this.gmail.mailboxes.find((m) => m.is_default)?.email;
        const sorted = [...new Set([usual, ...senders])];
        const found = sorted.filter((address) => senders.includes(address));
        return found.length > 1 ? found : [];
    },

    /** The address that is shown as the sender, or undefined. */
    get gmailFrom() {
        const senders = this.gmailSenders;
        const { address } = this.gmailChoice;
        return senders.includes(address) ? address : senders[0];
    },

    get postData() {
        return { ...super.postData, gmailFrom: this.gmailFrom };
    },

    get fullComposerAdditionalContext() {
        const context = super.fullComposerAdditionalContext;
        if (this.gmailFrom) {
            const sender = { name: user.name, email: this.gmailFrom };
            context.default_email_from = formatPeople([sender]);
        }
        return context;
    },
});

patch(Store.prototype, {
    async getMessagePostParams(args) {
        const params = await super.getMessagePostParams(args);
        const { gmailFrom, isNote } = args.postData;
        if (gmailFrom && !isNote) {
            params.post_data.gmail_from = gmailFrom;
        }
        return params;
    },
});
