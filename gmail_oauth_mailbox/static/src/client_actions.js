import { browser } from "@web/core/browser/browser";
import { registry } from "@web/core/registry";
import { displayNotificationAction } from "@web/webclient/actions/client_actions";

/** Say what a button did, and reload the record where it stands: Odoo's own
 * notification leaves it stale, and an answer without an action closes a dialog. */
async function done(env, action, options) {
    displayNotificationAction(env, action);
    await Promise.all([
        options.onClose?.(),
        env.services.gmail_oauth_mailbox.loadInfo(),
    ]);
}

/** Say what a dialog did, and close it: what is below reads its record again. */
function closed(env, action) {
    displayNotificationAction(env, action);
    env.services.gmail_oauth_mailbox.loadInfo();
    return { type: "ir.actions.act_window_close" };
}

/** Say that a record is deleted, and leave its form. */
async function deleted(env, action) {
    displayNotificationAction(env, action);
    env.services.gmail_oauth_mailbox.loadInfo();
    try {
        await env.services.action.restore();
    } catch {
        browser.location.assign("/odoo");
    }
}

registry
    .category("actions")
    .add("gmail_oauth_mailbox.done", done)
    .add("gmail_oauth_mailbox.closed", closed)
    .add("gmail_oauth_mailbox.deleted", deleted);
