import { animationFrame } from "@odoo/hoot-mock";
import { mountWithCleanup, onRpc } from "@web/../tests/web_test_helpers";

import { GmailMail } from "@gmail_oauth_mailbox/panel/mail";

const NOW = "2026-11-24 10:00:00";

export function mailbox(values = {}) {
    return {
        id: 1,
        name: "anna@corp.test",
        email: "anna@corp.test",
        state: "connected",
        is_default: true,
        error_message: false,
        unread: 1,
        last_sync: NOW,
        progress: { running: false, done: 0, total: 0 },
        can_read: true,
        can_send: true,
        ending: false,
        ceiling: false,
        labels: [],
        ...values,
    };
}

export function info(values = {}) {
    return {
        enabled: true,
        configured: true,
        setup_message: false,
        redirect_uri: false,
        test_mode: false,
        is_admin: false,
        choice: false,
        trouble: false,
        drafts: 0,
        levels: [{ value: "subject", name: "Subject" }],
        senders: ["anna@corp.test"],
        mailboxes: [mailbox()],
        ...values,
    };
}

export function thread(id, values = {}) {
    return {
        id,
        mailbox_id: 1,
        subject: `Subject ${id}`,
        participants: `Person ${id}`,
        snippet: `Snippet ${id}`,
        date: NOW,
        unread: false,
        starred: false,
        has_attachments: false,
        message_count: 1,
        ...values,
    };
}

export function message(id, values = {}) {
    return {
        id,
        from_name: "Carla Roth",
        from_email: "carla@customer.test",
        people: {
            to: [{ name: "Anna", address: "anna@corp.test" }],
            cc: [],
            bcc: [],
        },
        date: NOW,
        direction: "in",
        is_unread: false,
        is_starred: false,
        snippet: "Hello",
        srcdoc: "<!DOCTYPE html><html><body>Hello Anna</body></html>",
        shows_images: false,
        is_authentic: true,
        is_folded: false,
        people_left_out: 0,
        has_remote_images: false,
        has_pictures: false,
        reply: { to: "carla@customer.test", cc: "" },
        reply_all: { to: "carla@customer.test", cc: "" },
        attachments: [],
        ...values,
    };
}

export function documents(values = {}) {
    return {
        links: [],
        suggestions: [],
        creatable: [],
        is_shared: false,
        is_working: false,
        statement: "Only you can read it in Odoo.",
        level: false,
        mailbox_level: false,
        levels: [],
        ...values,
    };
}

export function draft(values = {}) {
    return {
        id: 7,
        mailbox_id: 1,
        thread_id: false,
        answered_id: false,
        mode: "new",
        to: "",
        subject: "",
        preview: "",
        date: NOW,
        state: "draft",
        send_at: false,
        error: "",
        people: {
            to: [{ name: "Carla", email: "carla@customer.test" }],
            cc: [],
            bcc: [],
        },
        body: "<p>Hello</p>",
        is_quoting: false,
        quote: "",
        email_from: "anna@corp.test",
        senders: [
            { address: "anna@corp.test", mailbox_id: 1 },
            { address: "home@anna.test", mailbox_id: 2 },
        ],
        writer: "",
        attachments: [],
        ...values,
    };
}

/** Answer the panel's questions in the server's place. */
export function answer(answers = {}) {
    const threads = answers.threads || [thread(1), thread(2), thread(3)];
    onRpc("gmail.mailbox", "panel_state", () => answers.info || info());
    onRpc("gmail.mailbox", "panel_threads", ({ kwargs }) => {
        if (typeof threads === "function") {
            return threads(kwargs);
        }
        return { threads, before: false };
    });
    onRpc("gmail.thread", "panel_read", ({ args: [[id]] }) => ({
        id,
        subject: `Subject ${id}`,
        mailbox_id: 1,
        email: "anna@corp.test",
        can_send: true,
        messages: answers.messages || [message(10 * id)],
        drafts: answers.drafts || [],
    }));
    onRpc("gmail.thread", "panel_documents", () => answers.documents || documents());
}

/** Mount the client as a page. */
export async function mountMail() {
    const component = await mountWithCleanup(GmailMail, { props: { isPage: true } });
    await component.gmail.enterPage(false);
    await animationFrame();
    return component.gmail;
}
