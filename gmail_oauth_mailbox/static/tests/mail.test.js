import { describe, expect, test } from "@odoo/hoot";
import {
    click,
    edit,
    keyDown,
    keyUp,
    press,
    queryAllTexts,
    waitFor,
} from "@odoo/hoot-dom";
import { Deferred, advanceTime, animationFrame } from "@odoo/hoot-mock";
import { defineMailModels } from "@mail/../tests/mail_test_helpers";
import { makeServerError, onRpc } from "@web/../tests/web_test_helpers";

import {
    answer,
    info,
    mailbox,
    message,
    mountMail,
    thread,
} from "./gmail_test_helpers";

describe.current.tags("desktop");
defineMailModels();

test("the list shows people, subject, and what is unread or starred", async () => {
    answer({
        threads: [
            thread(1, { unread: true, message_count: 3 }),
            thread(2, { starred: true, has_attachments: true, subject: "" }),
        ],
    });
    await mountMail();
    expect(".o_gmail_row").toHaveCount(2);
    expect(".o_gmail_unread_row").toHaveCount(1);
    expect(".o_gmail_row:eq(0)").toHaveText(/Person 1\s*3/);
    expect(".o_gmail_row:eq(1) .fa-star").toHaveCount(1);
    expect(".o_gmail_row:eq(1) .fa-paperclip").toHaveCount(1);
    expect(".o_gmail_row:eq(1)").toHaveText(/No subject/);
});

test("nobody has connected a mailbox yet", async () => {
    answer({ info: info({ mailboxes: [] }) });
    await mountMail();
    expect(".o_gmail_add_mailbox").toHaveCount(1);
    expect(".o_gmail_list").toHaveCount(0);
});

test("a mailbox that needs its owner says so, with the remedy", async () => {
    const broken = mailbox({ state: "reconnect", error_message: "Reconnect it." });
    answer({ info: info({ mailboxes: [broken] }) });
    onRpc("gmail.mailbox", "action_reconnect", ({ args }) => {
        expect.step(args[0]);
        return false;
    });
    await mountMail();
    expect(".o_gmail_banner").toHaveText(/Reconnect it\./);
    await click(".o_gmail_banner button");
    await animationFrame();
    expect.verifySteps([[1]]);
});

test("contacts that wait are said until they are reviewed or dismissed", async () => {
    answer({ info: info({ mailboxes: [mailbox({ contacts_wait: true })] }) });
    onRpc("gmail.mailbox", "action_review_contacts", ({ args }) => {
        expect.step(args[0]);
        return false;
    });
    await mountMail();
    await click(".o_gmail_contacts_wait .btn-primary");
    await animationFrame();
    expect.verifySteps([[1]]);
    await click(".o_gmail_contacts_wait .btn-close");
    await animationFrame();
    expect(".o_gmail_contacts_wait").toHaveCount(0);
});

test("the server does not answer: a sentence, and Retry", async () => {
    let fails = true;
    answer({
        threads: () => {
            if (fails) {
                throw makeServerError({ message: "The list is not there." });
            }
            return { threads: [thread(1)], before: false };
        },
    });
    await mountMail();
    expect(".o_gmail_threads [role=alert]").toHaveText(/The list is not there\./);
    fails = false;
    await click(".o_gmail_threads [role=alert] button");
    await animationFrame();
    expect(".o_gmail_row").toHaveCount(1);
});

test("an answer that comes too late changes nothing", async () => {
    const slow = new Deferred();
    answer({
        threads: async ({ search }) => {
            if (search === "slow") {
                await slow;
                return { threads: [thread(9)], before: false };
            }
            return { threads: [thread(search === "quick" ? 2 : 1)], before: false };
        },
    });
    const gmail = await mountMail();
    gmail.setSearch("slow");
    await gmail.setSearch("quick");
    slow.resolve();
    await animationFrame();
    expect(queryAllTexts(".o_gmail_subject")).toEqual(["Subject 2"]);
});

test("search waits for a pause in typing", async () => {
    answer({
        threads: ({ search }) => {
            expect.step(search);
            return { threads: [thread(1)], before: false };
        },
    });
    await mountMail();
    expect.verifySteps([""]);
    await click(".o_gmail_search");
    await edit("chairs");
    await advanceTime(100);
    expect.verifySteps([]);
    await advanceTime(300);
    expect.verifySteps(["chairs"]);
});

test("keys: j, k, Enter, x, / and Escape", async () => {
    answer();
    const gmail = await mountMail();
    await press("j");
    expect(".o_gmail_thread:eq(0)").toBeFocused();
    await press("j");
    expect(".o_gmail_thread:eq(1)").toBeFocused();
    await press("k");
    expect(".o_gmail_thread:eq(0)").toBeFocused();
    // New mail on top: the cursor stays where she reads.
    await gmail.showThreads([thread(9), ...gmail.threads]);
    await animationFrame();
    expect(".o_gmail_thread:eq(1)").toBeFocused();
    await press("x");
    await animationFrame();
    expect(".o_gmail_selection").toHaveText(/1 selected/);
    expect(gmail.pickedIds).toEqual([1]);
    await press("Escape");
    await animationFrame();
    expect(".o_gmail_selection").toHaveCount(0);
    await press("j");
    await press("Enter");
    await animationFrame();
    expect(gmail.threadId).toBe(2);
    await press("/");
    expect(".o_gmail_search").toBeFocused();
    // Within a field, letters are letters.
    await press("x");
    expect(gmail.pickedIds).toEqual([]);
});

test("Shift picks all between, and they are shared together", async () => {
    answer();
    onRpc("gmail.thread", "panel_share_all", ({ args }) => {
        expect.step(args);
        return true;
    });
    await mountMail();
    await click(".o_gmail_pick input:eq(0)");
    await keyDown("Shift");
    await click(".o_gmail_pick input:eq(2)");
    await keyUp("Shift");
    await animationFrame();
    expect(".o_gmail_selection").toHaveText(/3 selected/);
    await click(".o_gmail_share_picked");
    await animationFrame();
    await click(".o_gmail_keep_picked");
    await animationFrame();
    expect.verifySteps([[[1, 2, 3], "nobody"]]);
    expect(".o_gmail_selection").toHaveCount(0);
});

test("what leaves the list is picked no more, and what was asked about is removed", async () => {
    let threads = [thread(1), thread(2)];
    answer({ threads: () => ({ threads, before: false }) });
    onRpc("gmail.thread", "panel_remove", ({ args }) => {
        expect.step(args[0]);
        return true;
    });
    const gmail = await mountMail();
    await click(".o_gmail_pick input:eq(0)");
    await click(".o_gmail_pick input:eq(1)");
    await animationFrame();
    threads = [thread(2), thread(3)];
    await gmail.reload();
    await animationFrame();
    expect(".o_gmail_selection").toHaveText(/1 selected/);
    await click(".o_gmail_remove_picked");
    await animationFrame();
    expect(".modal").toHaveText(/this conversation/);
    // Another is picked, by whatever, while the question stands.
    gmail.pick(3, true);
    await click(".modal .btn-primary");
    await animationFrame();
    expect.verifySteps([[2]]);
});

test("removing several is asked about first", async () => {
    let threads = [thread(1), thread(2)];
    answer({ threads: () => ({ threads, before: false }) });
    onRpc("gmail.thread", "panel_remove", ({ args }) => {
        expect.step(args[0]);
        threads = [];
        return true;
    });
    await mountMail();
    await click(".o_gmail_pick input:eq(0)");
    await animationFrame();
    await click(".o_gmail_pick_all");
    await animationFrame();
    await click(".o_gmail_remove_picked");
    await animationFrame();
    await click(".modal .btn-secondary");
    await animationFrame();
    expect.verifySteps([]);
    expect(".o_gmail_remove_picked").toBeFocused();
    await click(".o_gmail_remove_picked");
    await animationFrame();
    await click(".modal .btn-primary");
    await animationFrame();
    await animationFrame();
    expect.verifySteps([[1, 2]]);
    expect(".o_gmail_empty").toHaveText(/No mail yet/);
});

test("Gmail is asked for what Odoo does not have", async () => {
    answer({ threads: () => ({ threads: [], before: false }) });
    const found = {
        gmail_id: "18f",
        mailbox_id: 1,
        subject: "Old offer",
        participants: "Carla",
        snippet: "",
        date: "2025-01-01 10:00:00",
    };
    onRpc("gmail.mailbox", "panel_search_gmail", ({ args }) => {
        expect.step(args);
        return { found: [found], problems: [] };
    });
    onRpc("gmail.mailbox", "panel_bring", ({ args }) => {
        expect.step(args);
        return 7;
    });
    const gmail = await mountMail();
    expect(".o_gmail_search_gmail").toHaveCount(0);
    await gmail.setSearch("offer");
    await animationFrame();
    await click(".o_gmail_search_gmail");
    await animationFrame();
    expect.verifySteps([["offer", 1]]);
    expect(".o_gmail_found_thread").toHaveText(/Old offer/);
    // The list is read anew by itself: what was found stays.
    await gmail.reload();
    await animationFrame();
    expect(".o_gmail_found_thread").toHaveCount(1);
    await click(".o_gmail_found_thread");
    await animationFrame();
    await animationFrame();
    expect.verifySteps([[1, "18f"]]);
    expect(gmail.threadId).toBe(7);
    expect(".o_gmail_found_thread").toHaveCount(0);
});

test("a question to Gmail that fails can be asked again", async () => {
    answer({ threads: () => ({ threads: [], before: false }) });
    onRpc("gmail.mailbox", "panel_search_gmail", () => {
        throw makeServerError({ message: "Google does not answer." });
    });
    const gmail = await mountMail();
    await gmail.setSearch("offer");
    await animationFrame();
    await click(".o_gmail_search_gmail");
    await animationFrame();
    expect(".o_gmail_in_gmail [role=alert]").toHaveText("Google does not answer.");
    expect(".o_gmail_search_gmail").toBeEnabled();
});

test("a conversation folds what was read, and names many recipients briefly", async () => {
    const people = Array.from({ length: 20 }, (_x, n) => ({
        name: `Person ${n}`,
        address: `p${n}@x.test`,
    }));
    answer({
        messages: [
            message(1, { snippet: "The first" }),
            message(2, { people: { to: people, cc: [], bcc: [] } }),
        ],
    });
    const gmail = await mountMail();
    await gmail.openThread(1);
    await animationFrame();
    expect(".o_gmail_message_head[aria-expanded=true]").toHaveCount(1);
    expect(".o_gmail_message:eq(0)").toHaveText(/The first/);
    expect(".o_gmail_name").toHaveCount(12);
    await click(".o_gmail_all_people");
    await animationFrame();
    expect(".o_gmail_name").toHaveCount(20);
    await click(".o_gmail_message_head:eq(0)");
    await animationFrame();
    expect(".o_gmail_message_head[aria-expanded=true]").toHaveCount(2);
});

test("the frame of a stranger's mail may run nothing", async () => {
    answer();
    const gmail = await mountMail();
    await gmail.openThread(1);
    await animationFrame();
    expect("iframe.o_gmail_message_body").toHaveAttribute(
        "sandbox",
        "allow-same-origin allow-popups allow-popups-to-escape-sandbox"
    );
    expect("iframe.o_gmail_message_body").toHaveAttribute("title", "Subject 1");
});

for (const [pixels, expected] of [
    [3000, "3008px"],
    [19000, "19008px"],
    [30000, "75vh"],
    [1000000, "75vh"],
]) {
    test(`the frame of an email of ${pixels} pixels`, async () => {
        const style = "<style>body { margin: 0 }</style>";
        const srcdoc = `<!DOCTYPE html>${style}<div style="height: ${pixels}px"></div>`;
        answer({ messages: [message(1, { srcdoc })] });
        const gmail = await mountMail();
        await gmail.openThread(1);
        await waitFor(`iframe.o_gmail_message_body[style*="${expected}"]`);
        expect("iframe.o_gmail_message_body").toHaveStyle(
            { height: expected },
            { inline: true }
        );
    });
}

test("a card offers to create the contact, for who may", async () => {
    answer();
    const card = {
        name: "Carla Roth",
        address: "carla@customer.test",
        is_own: false,
        mails: 2,
        may_create: true,
        contact: false,
    };
    onRpc("gmail.thread", "panel_card", () => card);
    onRpc("gmail.thread", "panel_make_contact", ({ args }) => {
        expect.step(args);
        return {
            ...card,
            contact: { id: 3, name: "Carla Roth", detail: "", phone: "" },
        };
    });
    const gmail = await mountMail();
    await gmail.openThread(1);
    await animationFrame();
    await click(".o_gmail_avatar");
    await animationFrame();
    expect(".o_gmail_card").toHaveText(/Not a contact yet/);
    expect(".o_gmail_card").toHaveText(/2 emails/);
    await click(".o_gmail_create_contact");
    await animationFrame();
    await animationFrame();
    expect.verifySteps([[[1], "carla@customer.test"]]);
    expect(".o_gmail_open_contact").toHaveCount(1);
});

test("a card without the right to create contacts", async () => {
    answer();
    onRpc("gmail.thread", "panel_card", () => ({
        name: "",
        address: "carla@customer.test",
        is_own: true,
        mails: 100,
        may_create: false,
        contact: false,
    }));
    const gmail = await mountMail();
    await gmail.openThread(1);
    await animationFrame();
    await click(".o_gmail_avatar");
    await animationFrame();
    expect(".o_gmail_create_contact").toHaveCount(0);
    expect(".o_gmail_exclude_person").toHaveCount(0);
    expect(".o_gmail_card").toHaveText(/100 emails or more/);
});

test("a file that Gmail cannot give says so beside it", async () => {
    const attachment = {
        id: 5,
        name: "plan.pdf",
        mimetype: "application/pdf",
        size: 9,
    };
    answer({ messages: [message(1, { attachments: [attachment] })] });
    onRpc("gmail.attachment", "panel_open", () => {
        throw makeServerError({ message: "This attachment is not in Gmail any more." });
    });
    const gmail = await mountMail();
    await gmail.openThread(1);
    await animationFrame();
    await click(".o_gmail_attachment");
    await animationFrame();
    expect(".o_gmail_file_of_mail [role=alert]").toHaveText(/not in Gmail any more/);
    await click(".o_gmail_attachment_more");
    await animationFrame();
    expect(".dropdown-menu").toHaveText(/Link the conversation to a document/);
});
