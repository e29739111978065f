import { describe, expect, test } from "@odoo/hoot";
import {
    click,
    edit,
    press,
    queryFirst,
    select,
    setInputFiles,
    waitFor,
} from "@odoo/hoot-dom";
import { Deferred, advanceTime, animationFrame } from "@odoo/hoot-mock";
import { defineMailModels } from "@mail/../tests/mail_test_helpers";
import { browser } from "@web/core/browser/browser";
import {
    makeServerError,
    onRpc,
    patchWithCleanup,
} from "@web/../tests/web_test_helpers";

import { answer, draft, message, mountMail } from "./gmail_test_helpers";

describe.current.tags("desktop");
defineMailModels();

const PAUSE = 800;

/** Begin a new mail; each save waits for the next of `answers`. */
async function write({ saves = [], values = {} } = {}) {
    const kept = draft(values);
    answer();
    onRpc("gmail.draft", "panel_begin", () => kept);
    onRpc("gmail.draft", "panel_read", () => kept);
    onRpc("gmail.draft", "panel_save", async ({ args: [, written] }) => {
        expect.step({ ...written });
        await saves.shift();
        Object.assign(kept, written);
        return { date: kept.date };
    });
    onRpc("gmail.draft", "panel_send", () => {
        expect.step("send");
        return { seconds: 10, warning: false };
    });
    onRpc("gmail.draft", "panel_discard", () => {
        expect.step("discard");
        return true;
    });
    const gmail = await mountMail();
    await click(".o_gmail_new");
    await waitFor(".o_gmail_editor");
    return { gmail, kept };
}

async function setSubject(text) {
    await click(".o_gmail_subject_input");
    await edit(text);
    await advanceTime(PAUSE);
    await animationFrame();
}

test("saves follow each other, and the newest is what stays", async () => {
    const first = new Deferred();
    const { kept } = await write({ saves: [first] });
    await setSubject("One");
    await setSubject("Two");
    expect.verifySteps([{ subject: "One" }]);
    first.resolve();
    await animationFrame();
    expect.verifySteps([{ subject: "Two" }]);
    expect(kept.subject).toBe("Two");
});

test("what could not be kept is kept with the next", async () => {
    const first = new Deferred();
    const { kept } = await write({ saves: [first] });
    await setSubject("One");
    first.reject(makeServerError({ message: "Not now." }));
    await animationFrame();
    expect(".o_gmail_composer_error").toHaveText("Not now.");
    await select("home@anna.test", { target: ".o_gmail_from" });
    await advanceTime(PAUSE);
    expect.verifySteps([
        { subject: "One" },
        { subject: "One", email_from: "home@anna.test" },
    ]);
    expect(kept.subject).toBe("One");
});

test("Send waits until what is being kept is kept", async () => {
    const first = new Deferred();
    await write({ saves: [first] });
    await setSubject("One");
    await click(".o_gmail_send");
    await animationFrame();
    expect.verifySteps([{ subject: "One" }]);
    first.resolve();
    await animationFrame();
    await animationFrame();
    expect.verifySteps(["send"]);
    expect(".o_gmail_leaving").toHaveCount(1);
});

test("a mail that cannot be kept is not sent, and can be discarded", async () => {
    const [first, again] = [new Deferred(), new Deferred()];
    await write({ saves: [first, again] });
    await setSubject("One");
    await click(".o_gmail_send");
    first.reject(makeServerError({ message: "Too large." }));
    again.reject(makeServerError({ message: "Too large." }));
    await animationFrame();
    await animationFrame();
    expect(".o_gmail_composer_error").toHaveText("Too large.");
    await click(".o_gmail_discard");
    await animationFrame();
    expect(".o_gmail_composer").toHaveCount(0);
    // Sending tried once more.
    expect.verifySteps([{ subject: "One" }, { subject: "One" }, "discard"]);
});

test("nothing is sent while a file is on its way", async () => {
    const uploaded = new Deferred();
    await write();
    patchWithCleanup(browser, { fetch: () => uploaded });
    await click(".o_gmail_attach");
    await setInputFiles([new File(["Tables"], "catalogue.txt")]);
    await animationFrame();
    expect(".o_gmail_send").not.toBeEnabled();
    queryFirst(".o_gmail_subject_input").focus();
    await press(["ctrl", "Enter"]);
    await animationFrame();
    expect.verifySteps([]);
    expect(".o_gmail_composer").toHaveCount(1);
});

test("another mailbox brings its signature, and takes nothing else away", async () => {
    const { kept } = await write({ values: { body: "<p>Signature of Corp</p>" } });
    const read = new Deferred();
    onRpc("gmail.draft", "panel_read", async () => {
        const now = { ...kept, mailbox_id: 2, body: "<p>Signature at home</p>" };
        await read;
        return now;
    });
    await select("home@anna.test", { target: ".o_gmail_from" });
    await animationFrame();
    // She goes on meanwhile.
    await click(".o_gmail_more_fields button:contains(Bcc)");
    await animationFrame();
    await setSubject("Typed meanwhile");
    read.resolve();
    await animationFrame();
    await animationFrame();
    await animationFrame();
    expect(".o_gmail_editor").toHaveText("Signature at home");
    expect(".o_gmail_subject_input").toHaveValue("Typed meanwhile");
    expect(".o_gmail_composer .o_gmail_people").toHaveCount(2);
    expect(kept.subject).toBe("Typed meanwhile");
    expect(kept.email_from).toBe("home@anna.test");
    expect.verifySteps([
        { email_from: "home@anna.test" },
        { subject: "Typed meanwhile" },
    ]);
});

test("of several drafts, the one that was clicked is gone on with", async () => {
    const one = draft({ id: 7, thread_id: 1, answered_id: 10, mode: "reply" });
    const two = draft({ id: 8, thread_id: 1, answered_id: 10, mode: "forward" });
    answer({ messages: [message(10)], drafts: [one, two] });
    onRpc("gmail.draft", "panel_list", () => [
        { ...one, preview: "The first" },
        { ...two, preview: "The second" },
    ]);
    onRpc("gmail.draft", "panel_read", ({ args: [[id]] }) => {
        const body = id === 7 ? "<p>The first</p>" : "<p>The second</p>";
        return { ...(id === 7 ? one : two), body };
    });
    await mountMail();
    await click("[data-part=drafts]");
    await animationFrame();
    await click(".o_gmail_draft:contains(The first)");
    await waitFor(".o_gmail_editor");
    expect(".o_gmail_editor").toHaveText("The first");
});

test("a draft whose message has left Odoo is still there", async () => {
    const left = draft({ thread_id: 1, mode: "reply", preview: "Left" });
    answer({ drafts: [left] });
    onRpc("gmail.draft", "panel_list", () => [left]);
    onRpc("gmail.draft", "panel_read", () => left);
    await mountMail();
    await click("[data-part=drafts]");
    await animationFrame();
    await click(".o_gmail_draft");
    await waitFor(".o_gmail_editor");
    expect(".o_gmail_editor").toHaveText("Hello");
});

test("a refresh that fails takes no writer away", async () => {
    const reply = draft({ thread_id: 1, answered_id: 10, mode: "reply" });
    answer();
    onRpc("gmail.draft", "panel_begin", () => reply);
    const gmail = await mountMail();
    await click(".o_gmail_thread:eq(0)");
    await waitFor(".o_gmail_reply");
    await click(".o_gmail_reply");
    await waitFor(".o_gmail_editor");
    expect(".o_gmail_editor").toHaveCount(1);
    onRpc("gmail.thread", "panel_read", () => {
        throw makeServerError({ message: "Not now." });
    });
    await gmail.readThread();
    await animationFrame();
    expect(".o_gmail_editor").toHaveCount(1);
});
