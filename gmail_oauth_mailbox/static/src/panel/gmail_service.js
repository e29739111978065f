import { markRaw, reactive } from "@odoo/owl";

import { browser } from "@web/core/browser/browser";
import { router } from "@web/core/browser/router";
import {
    AlertDialog,
    ConfirmationDialog,
} from "@web/core/confirmation_dialog/confirmation_dialog";
import { _t } from "@web/core/l10n/translation";
import { registry } from "@web/core/registry";
import { formatFloat } from "@web/core/utils/numbers";

const OUTCOME_KEY = "gmail_oauth_mailbox";
const CHANGED = "gmail_oauth_mailbox/changed";
const UNDONE = "gmail_oauth_mailbox/undone";
const PAGE = 30;
const CONNECT = "gmail_oauth_mailbox.gmail_mailbox_connect_action";
const PAGE_MENU = "gmail_oauth_mailbox.gmail_email_menu";
const EXCLUDE = "gmail_oauth_mailbox.gmail_exclude_action";
// Google's answer may still be in work when its page is loaded.
const PATIENCE = 30;
const SECOND = 1000;
const SAID = 5 * SECOND;
// Nobody looks at it for longer while the server works on a conversation.
const LONGEST_PAUSE = 60 * SECOND;

const CONTACTS_HEARD = "gmail_oauth_mailbox.contacts_heard";

/** Return the ids of the mailboxes whose owner knows that contacts wait. */
function heardOfContacts() {
    try {
        const heard = JSON.parse(browser.localStorage.getItem(CONTACTS_HEARD));
        return Array.isArray(heard) ? heard : [];
    } catch {
        return [];
    }
}

/** Return the text that a failed call shows: Odoo's own sentence, or a general one. */
export function sentenceOf(error) {
    return error?.data?.message || _t("The server does not answer. Try again.");
}

/**
 * What the Email panel knows and does: the only caller of the server.
 *
 * Data goes one way: a method asks the server and changes `state`; components read it.
 */
export class GmailStore {
    constructor(env, { orm, action, dialog, notification, menu }) {
        this.env = env;
        this.orm = orm;
        this.actionService = action;
        this.dialog = dialog;
        this.notification = notification;
        this.menu = menu;
        // Of mail that can still be taken back: {id, to, timer}.
        this.leaving = [];
        // What was done last, for some seconds: {text, button}, or null.
        this.said = null;
        // {draft id: function that closes what was said of it}.
        this.notices = markRaw(new Map());
        // Mailboxes whose contacts wait, and whose owner has said that she knows.
        this.contactsHeard = heardOfContacts();
        // A mail that is written in place of a conversation, and those that are kept.
        this.writing = null;
        this.drafts = null;
        this.saving = Promise.resolve();
        // What the server knows this tab by.
        this.writer = `${Date.now()}.${Math.random()}`;
        // The draft to go on with in the conversation that opens.
        this.draftId = false;
        // Functions of the writers on the screen, which keep what is in them.
        this.keepers = markRaw(new Set());
        this.only = "";
        this.labelId = false;
        // {message id: promise}, of the conversation that is open.
        this.shownPictures = markRaw(new Map());
        this.calls = { list: 0, thread: 0 };
        // The drawer, and the page that takes its place.
        this.isOpen = false;
        this.isPage = false;
        this.picked = {};
        this.gmailAnswer = null;
        // How the last attempt to connect failed.
        this.failure = null;
        this.info = null;
        this.infoError = "";
        this.mailboxId = false;
        // The list shows the mail of all mailboxes.
        this.showsAll = false;
        this.search = "";
        this.threads = [];
        this.before = false;
        this.listLoading = false;
        this.listError = "";
        this.thread = null;
        this.threadId = false;
        this.threadError = "";
        // Documents and sharing of the conversation that is open.
        this.documents = null;
        this.documentsError = "";
    }

    get mailboxes() {
        return this.info?.mailboxes || [];
    }

    get mailbox() {
        const { mailboxes, mailboxId } = this;
        return mailboxes.find((m) => m.id === mailboxId) || mailboxes[0];
    }

    /** Whether a mailbox waits for its owner to reconnect it. */
    get needsHelp() {
        return this.mailboxes.some((mailbox) => mailbox.state === "reconnect");
    }

    /** Whether the mail is on the screen. */
    get isShown() {
        return this.isOpen || this.isPage;
    }

    get pickedIds() {
        return this.threads.map((t) => t.id).filter((id) => this.picked[id]);
    }

    /** Whether Gmail can be asked about what the list shows. */
    get canSearchGmail() {
        const shown = this.showsAll ? this.mailboxes : [this.mailbox];
        return shown.some((box) => box.state === "connected" && box.can_read);
    }

    get label() {
        return this.mailbox?.labels.find((label) => label.id === this.labelId);
    }

    get unread() {
        return this.mailboxes.reduce((sum, mailbox) => sum + mailbox.unread, 0);
    }

    /** Say what was done, for some seconds.
     *
     * @param {{name: string, onClick: Function}} [button]
     */
    say(text, button = null) {
        browser.clearTimeout(this.saidTimer);
        this.said = { text, button };
        this.saidTimer = browser.setTimeout(() => {
            this.said = null;
        }, SAID);
    }

    // ------------------------------------------------------------------
    // Panel and mailboxes
    // ------------------------------------------------------------------

    async loadInfo() {
        try {
            this.info = await this.orm.silent.call("gmail.mailbox", "panel_state", []);
            this.infoError = "";
        } catch (error) {
            // What is shown already stays: somebody may be writing in it.
            this.infoError = this.info ? "" : sentenceOf(error);
        }
    }

    /** Return the address of a mailbox, for rows of several. */
    emailOf(mailboxId) {
        return this.mailboxes.find((m) => m.id === mailboxId)?.email || "";
    }

    show() {
        this.isOpen = !this.isPage;
    }

    async open(mailboxId = false) {
        this.show();
        if (mailboxId) {
            this.mailboxId = mailboxId;
            this.showsAll = false;
        }
        // What is open is shown again as it was left.
        await this.keepWriting();
        const { writing, threadId } = this;
        this.writing = null;
        this.thread = null;
        const call = ++this.calls.thread;
        await this.loadInfo();
        const reading = this.reload();
        // She may have gone elsewhere meanwhile.
        if (call === this.calls.thread && writing) {
            await this.resumeWriting(writing);
        } else if (call === this.calls.thread && threadId) {
            await this.openThread(threadId);
        }
        await reading;
    }

    /** @param {number|false} threadId the conversation that the address names */
    async enterPage(threadId) {
        this.isPage = true;
        this.isOpen = false;
        // At once, since the page writes it into its address; writers that go with it
        // keep what is in them.
        if (threadId !== this.threadId) {
            this.closeThread();
            this.threadId = threadId;
            this.writing = threadId ? null : this.writing;
        }
        await this.open();
        const mailboxId = this.thread?.mailbox_id;
        if (threadId && mailboxId && !this.showsAll && mailboxId !== this.mailbox.id) {
            this.mailboxId = mailboxId;
            await this.reload();
        }
    }

    leavePage() {
        this.isPage = false;
    }

    /** Go to the menu "Email", which whoever has the drawer has, with what is open. */
    async openPage() {
        const page = this.menu.getAll().find((menu) => menu.xmlid === PAGE_MENU);
        const resId = this.threadId;
        await this.actionService.doAction(page.actionID, {
            clearBreadcrumbs: true,
            props: { resId },
        });
        this.menu.setCurrentMenu(page);
    }

    close() {
        this.isOpen = false;
    }

    async toggle() {
        if (this.isOpen) {
            this.close();
        } else if (!this.isPage) {
            await this.open();
        }
    }

    async chooseMailbox(mailboxId) {
        this.showsAll = !mailboxId;
        this.mailboxId = mailboxId || this.mailboxId;
        this.drafts = null;
        this.labelId = false;
        this.closeThread();
        this.threads = [];
        this.clearPicked();
        await this.reload();
    }

    /** Show one part of the mail: ``unread``, ``starred``, ``attachments``, all. */
    async chooseOnly(only) {
        this.only = only;
        this.drafts = null;
        this.threads = [];
        await this.reload();
    }

    async chooseLabel(labelId) {
        this.labelId = labelId;
        this.drafts = null;
        this.threads = [];
        await this.reload();
    }

    addMailbox() {
        this.close();
        return this.actionService.doAction(CONNECT, {
            // The dialog sends the browser to Google, which comes back to this page.
            onClose: () => this.loadInfo(),
        });
    }

    /** Run a button of the mailbox on the server, and the action it returns. */
    async run(method) {
        const result = await this.orm.call("gmail.mailbox", method, [
            [this.mailbox.id],
        ]);
        if (result?.type) {
            if (result.type === "ir.actions.act_window") {
                this.close();
            }
            await this.actionService.doAction(result);
        }
        await this.loadInfo();
        if (this.threadId) {
            await this.readThread();
        }
    }

    async openSettings() {
        const action = await this.orm.call("gmail.mailbox", "action_open_settings", []);
        this.close();
        await this.actionService.doAction(action);
    }

    async openPreferences() {
        const action = await this.orm.call(
            "gmail.mailbox",
            "action_open_preferences",
            []
        );
        this.close();
        await this.actionService.doAction(action);
    }

    // ------------------------------------------------------------------
    // List
    // ------------------------------------------------------------------

    async fetchPage(before) {
        return this.orm.silent.call("gmail.mailbox", "panel_threads", [], {
            mailbox_id: !this.showsAll && this.mailbox.id,
            search: this.search,
            before,
            limit: PAGE,
            only: this.only,
            label_id: this.labelId,
        });
    }

    async reload() {
        if (!this.mailbox) {
            return;
        }
        const call = ++this.calls.list;
        this.listLoading = true;
        this.listError = "";
        try {
            const page = await this.fetchPage(false);
            if (call === this.calls.list) {
                this.showThreads(page.threads);
                this.before = page.before;
            }
        } catch (error) {
            if (call === this.calls.list) {
                this.listError = sentenceOf(error);
            }
        } finally {
            if (call === this.calls.list) {
                this.listLoading = false;
            }
        }
    }

    /** Only what is shown can be picked. */
    showThreads(threads) {
        this.threads = threads;
        this.picked = Object.fromEntries(this.pickedIds.map((id) => [id, true]));
    }

    async loadMore() {
        if (this.listLoading || !this.before) {
            return;
        }
        const call = ++this.calls.list;
        this.listLoading = true;
        try {
            const page = await this.fetchPage(this.before);
            if (call === this.calls.list) {
                const known = new Set(this.threads.map((thread) => thread.id));
                this.threads.push(...page.threads.filter((t) => !known.has(t.id)));
                this.before = page.before;
            }
        } catch (error) {
            this.listError = sentenceOf(error);
        } finally {
            if (call === this.calls.list) {
                this.listLoading = false;
            }
        }
    }

    /** Put the newest page on top; whoever has scrolled down keeps what she reads. */
    async refreshTop() {
        const call = ++this.calls.list;
        try {
            const page = await this.fetchPage(false);
            if (call === this.calls.list) {
                const fresh = new Set(page.threads.map((thread) => thread.id));
                const rest = this.threads.filter((thread) => !fresh.has(thread.id));
                this.showThreads([...page.threads, ...rest]);
            }
        } catch (error) {
            this.listError = sentenceOf(error);
        } finally {
            if (call === this.calls.list) {
                this.listLoading = false;
            }
        }
    }

    /** Look for an address in all mail. */
    async findMail(address) {
        this.showsAll = this.mailboxes.length > 1;
        Object.assign(this, { only: "", labelId: false });
        this.closeThread();
        await this.setSearch(address);
    }

    async setSearch(text) {
        this.search = text;
        this.drafts = null;
        this.threads = [];
        this.clearPicked();
        await this.reload();
    }

    // ------------------------------------------------------------------
    // Conversation
    // ------------------------------------------------------------------

    /** @param {number|false} [draftId] the draft to go on with there */
    async openThread(threadId, draftId = false) {
        this.writing = null;
        this.draftId = draftId;
        const call = ++this.calls.thread;
        this.threadId = threadId;
        this.thread = null;
        this.threadError = "";
        this.documents = null;
        this.documentsError = "";
        this.shownPictures.clear();
        await this.readThread(call);
    }

    async readThread(call = ++this.calls.thread) {
        try {
            const thread = await this.orm.silent.call("gmail.thread", "panel_read", [
                [this.threadId],
            ]);
            if (call === this.calls.thread) {
                this.thread = thread;
                this.threadError = "";
                await this.readDocuments();
            }
        } catch (error) {
            // What is shown already stays: somebody may be writing in it.
            if (call === this.calls.thread && !this.thread) {
                this.threadError = sentenceOf(error);
            }
        }
    }

    /** Open the panel at one conversation, from elsewhere. */
    async openAt(mailboxId, threadId) {
        this.search = "";
        this.closeThread();
        await this.open(mailboxId);
        await this.openThread(threadId);
    }

    /** Return a page of the emails of a document: {name, emails, before}. */
    emailsOf(model, resId, before) {
        return this.orm.silent.call("gmail.thread", "panel_emails", [
            model,
            resId,
            before || null,
        ]);
    }

    closeThread() {
        this.calls.thread++;
        this.threadId = false;
        this.thread = null;
        this.threadError = "";
    }

    // ------------------------------------------------------------------
    // Its documents
    // ------------------------------------------------------------------

    /** Ask for the documents, and again while the server still works on them. */
    async readDocuments(pause = SECOND) {
        const { threadId } = this;
        browser.clearTimeout(this.documentsTimer);
        this.documentsError = "";
        try {
            const documents = await this.callThread("panel_documents");
            this.keepDocuments(threadId, documents, pause);
        } catch (error) {
            if (threadId === this.threadId) {
                this.documentsError = sentenceOf(error);
            }
        }
    }

    keepDocuments(threadId, documents, pause = SECOND) {
        if (threadId !== this.threadId) {
            return;
        }
        this.documents = documents;
        browser.clearTimeout(this.documentsTimer);
        if (documents.is_working && pause < LONGEST_PAUSE) {
            this.documentsTimer = browser.setTimeout(
                () => this.isShown && this.readDocuments(2 * pause),
                pause
            );
        }
    }

    callThread(method, ...args) {
        return this.orm.silent.call("gmail.thread", method, [[this.threadId], ...args]);
    }

    /** Change the documents by a method that answers with what they are now. */
    async changeDocuments(method, ...args) {
        const { threadId } = this;
        const documents = await this.callThread(method, ...args);
        this.keepDocuments(threadId, documents);
        return documents;
    }

    findDocuments(text) {
        return this.callThread("panel_find_documents", text);
    }

    openDocument({ model, res_id }) {
        this.close();
        return this.actionService.doAction({
            type: "ir.actions.act_window",
            res_model: model,
            res_id,
            views: [[false, "form"]],
        });
    }

    /** Return {Content-ID: data URL} of the pictures in a message's text. */
    async pictures(message) {
        if (!this.shownPictures.has(message.id)) {
            const call = this.orm.silent.call("gmail.message", "panel_pictures", [
                [message.id],
            ]);
            this.shownPictures.set(message.id, call);
            call.catch(() => this.shownPictures.delete(message.id));
        }
        return this.shownPictures.get(message.id);
    }

    /** Return the frame with a message's remote images. */
    images(message, always) {
        return this.orm.silent.call("gmail.message", "panel_images", [
            [message.id],
            always,
        ]);
    }

    /** Return the frame with all of a message's text. */
    whole(message) {
        return this.orm.silent.call("gmail.message", "panel_whole", [[message.id]]);
    }

    /** Return {id, name, mimetype, checksum} of a file, which is here then. */
    openAttachment(attachment) {
        return this.orm.silent.call("gmail.attachment", "panel_open", [
            [attachment.id],
        ]);
    }

    /** Save a copy to a document; return its name. */
    saveAttachment(attachment, { model, res_id }) {
        return this.orm.silent.call("gmail.attachment", "panel_save", [
            [attachment.id],
            model,
            res_id,
        ]);
    }

    download({ id, name }) {
        const link = document.createElement("a");
        link.href = `/web/content/${id}?download=true`;
        link.download = name;
        link.click();
    }

    // ------------------------------------------------------------------
    // Writing
    // ------------------------------------------------------------------

    /** Keep what was written; this page and its place in it are one writer. */
    saveDraft({ id, writer }, values) {
        return this.callDraft(id, "panel_save", values, this.writer, writer);
    }

    /** Whoever opens a draft next waits until `saving` has ended. */
    waitFor(saving) {
        this.saving = Promise.allSettled([this.saving, saving]);
    }

    /** Return all that the writer shows of a draft. */
    async readDraft(draftId) {
        await this.saving;
        return this.callDraft(draftId, "panel_read");
    }

    callDraft(draftId, method, ...args) {
        return this.orm.silent.call("gmail.draft", method, [[draftId], ...args]);
    }

    /** Begin an answer, or go on with one; returns what the writer shows. */
    async beginAnswer(message, mode) {
        await this.saving;
        const draft = await this.orm.call("gmail.draft", "panel_begin", [
            mode,
            message.id,
        ]);
        this.forgetNotice(draft.id);
        return draft;
    }

    /** Write a new mail in place of a conversation. */
    async write(to = "", mailboxId = this.mailbox.id) {
        const draft = await this.orm.call("gmail.draft", "panel_begin", ["new"], {
            mailbox_id: mailboxId,
            to,
        });
        this.closeThread();
        this.writing = draft;
    }

    async showDrafts() {
        this.drafts = await this.orm.call("gmail.draft", "panel_list", []);
    }

    /** Go on with a draft, in its conversation when it has one. */
    async openDraft(draft) {
        this.forgetNotice(draft.id);
        if (draft.state === "waiting") {
            await this.undo(draft.id);
            return;
        }
        const read = await this.readDraft(draft.id);
        // What it answers may have left Odoo.
        if (read.thread_id && read.answered_id) {
            await this.openThread(read.thread_id, draft.id);
        } else {
            this.closeThread();
            this.writing = read;
        }
    }

    /** Go on with a new mail; it may have gone out, or been discarded, in another tab. */
    async resumeWriting({ id }) {
        const call = this.calls.thread;
        try {
            const draft = await this.readDraft(id);
            if (call === this.calls.thread) {
                this.writing = draft;
            }
        } catch (error) {
            this.notification.add(sentenceOf(error), { type: "warning" });
        }
    }

    /** Keep at once what is being written, wherever it is. */
    async keepWriting() {
        for (const keep of this.keepers) {
            keep();
        }
        await this.saving;
    }

    async closeWriting() {
        this.writing = null;
        await this.refreshDrafts();
    }

    async refreshDrafts() {
        await this.loadInfo();
        if (this.drafts) {
            await this.showDrafts();
        }
    }

    async discardDraft(draftId) {
        await this.callDraft(draftId, "panel_discard");
        await this.refreshDrafts();
    }

    async completePeople(text) {
        return this.orm.silent.call("gmail.draft", "panel_recipients", [text]);
    }

    /** Put files into a draft; returns what the writer shows. */
    async attach(draftId, files) {
        const form = new FormData();
        form.append("csrf_token", odoo.csrf_token);
        for (const file of files) {
            form.append("ufile", file);
        }
        const response = await browser.fetch(`/gmail_oauth_mailbox/attach/${draftId}`, {
            method: "POST",
            body: form,
        });
        const answer = response.ok ? await response.json() : {};
        if (!answer.attachments) {
            const problem = new Error();
            problem.sentence = answer.error || _t("The file could not be uploaded.");
            throw problem;
        }
        return answer;
    }

    /** Put a mail into the queue, and have it leave when it was not taken back. */
    async sendDraft(draftId, sendAt, to) {
        const { seconds, warning } = await this.orm.call("gmail.draft", "panel_send", [
            [draftId],
            sendAt,
        ]);
        if (warning) {
            this.notification.add(warning, { type: "warning" });
        }
        if (sendAt) {
            this.say(_t("It goes out at the time that you chose."));
            await this.refreshDrafts();
            if (this.threadId) {
                await this.readThread();
            }
            return;
        }
        const timer = browser.setTimeout(() => this.flush(draftId), seconds * SECOND);
        this.leaving.push({ id: draftId, to, timer });
    }

    /** Take a mail back before it has left, and go on writing it. */
    async undo(draftId) {
        const mail = this.leaving.find(({ id }) => id === draftId);
        browser.clearTimeout(mail?.timer);
        let draft = null;
        try {
            draft = await this.callDraft(draftId, "panel_undo");
        } catch (error) {
            if (mail) {
                mail.timer = browser.setTimeout(() => this.flush(draftId), SECOND);
            }
            throw error;
        }
        this.stopLeaving(draftId);
        if (draft) {
            this.show();
            await this.openDraft(draft);
        } else {
            this.say(_t("It has gone out already."));
        }
        await this.refreshDrafts();
    }

    /** A mail was taken back, here or in another tab. */
    stopLeaving(draftId) {
        const mail = this.leaving.find(({ id }) => id === draftId);
        browser.clearTimeout(mail?.timer);
        this.leaving = this.leaving.filter(({ id }) => id !== draftId);
    }

    async flush(draftId) {
        let result = null;
        try {
            result = await this.callDraft(draftId, "panel_flush");
        } catch (error) {
            // The queue sends it, or it is there again as a draft.
            result = { sent: false, message: sentenceOf(error) };
        }
        this.stopLeaving(draftId);
        if (result.sent) {
            this.say(_t("Sent."));
        } else if (result.state === "draft" && !result.message) {
            this.say(_t("The mail was taken back."));
        } else {
            this.tellNotSent(draftId, result);
        }
        await this.refreshDrafts();
        if (this.threadId) {
            await this.readThread();
        }
        await this.reload();
    }

    /** Take away what was said of a mail that is dealt with now. */
    forgetNotice(draftId) {
        this.notices.get(draftId)?.();
        this.notices.delete(draftId);
    }

    /** Say why a mail did not leave; it is there again to be written on. */
    tellNotSent(draftId, { message, state, thread_id }) {
        const isBack = state === "draft";
        const open = async () => {
            this.show();
            await this.openDraft({ id: draftId, state, thread_id });
        };
        this.forgetNotice(draftId);
        if (isBack && this.isShown && thread_id && thread_id === this.threadId) {
            // The conversation shows the mail again, and why.
            return;
        }
        const close = this.notification.add(
            message || _t("The mail goes out later by itself."),
            {
                type: isBack ? "danger" : "warning",
                sticky: isBack,
                buttons: isBack
                    ? [
                          {
                              name: _t("Open the mail"),
                              primary: true,
                              onClick: open,
                          },
                      ]
                    : [],
            }
        );
        this.notices.set(draftId, close);
        if (isBack && !thread_id && this.isShown && !this.writing && !this.threadId) {
            open();
        }
    }

    showKeys() {
        const keys = [
            ["j, k", _t("next, previous conversation")],
            [_t("Enter"), _t("open it")],
            ["r, a, f", _t("reply, reply all, forward")],
            ["c", _t("new mail")],
            ["x", _t("select a conversation; with Shift and the mouse, several")],
            [_t("Ctrl+Enter"), _t("send")],
            ["/", _t("search")],
            [_t("Escape"), _t("back, then close")],
        ];
        this.dialog.add(AlertDialog, {
            title: _t("Keyboard shortcuts"),
            body: keys.map(([key, what]) => `${key}: ${what}`).join("\n"),
            confirmLabel: _t("Close"),
        });
    }

    sizeOf(bytes) {
        const units = ["B", "KB", "MB", "GB"];
        const power = Math.min(Math.floor(Math.log(bytes || 1) / Math.log(1024)), 3);
        return `${formatFloat(bytes / 1024 ** power, { digits: [0, 0] })} ${units[power]}`;
    }

    /** Ask before conversations are removed from Odoo. */
    confirmRemoval(title, confirm, cancel) {
        this.dialog.add(ConfirmationDialog, {
            title,
            body: _t(
                "Gmail keeps them. Odoo does not bring these messages in again; later mail of a conversation still comes in."
            ),
            confirmLabel: _t("Remove"),
            confirm,
            cancel,
        });
    }

    /** Remove conversations from Odoo; Gmail keeps them. */
    async removeThreads(ids) {
        await this.orm.call("gmail.thread", "panel_remove", [ids]);
        this.say(_t("Removed from Odoo. Gmail keeps it."));
        if (ids.includes(this.threadId)) {
            this.closeThread();
        }
        await this.reload();
    }

    // ------------------------------------------------------------------
    // Several at once
    // ------------------------------------------------------------------

    pick(threadId, isPicked) {
        if (isPicked) {
            this.picked[threadId] = true;
        } else {
            delete this.picked[threadId];
        }
    }

    pickAll() {
        for (const thread of this.threads) {
            this.picked[thread.id] = true;
        }
    }

    clearPicked() {
        this.picked = {};
    }

    async sharePicked(level) {
        const ids = this.pickedIds;
        await this.orm.call("gmail.thread", "panel_share_all", [ids, level]);
        this.say(
            level === "nobody"
                ? _t("They are private from now on.")
                : _t("How much of them is shared was changed.")
        );
        this.clearPicked();
        if (ids.includes(this.threadId)) {
            await this.readDocuments();
        }
    }

    async removePicked(ids) {
        await this.removeThreads(ids);
        this.clearPicked();
    }

    // ------------------------------------------------------------------
    // Beyond Odoo
    // ------------------------------------------------------------------

    /** What the list shows, as far as Gmail is asked for the same. */
    get asked() {
        return JSON.stringify([this.search, !this.showsAll && this.mailbox.id]);
    }

    /** What Gmail finds and Odoo does not have: {found, problems}, or null. */
    get inGmail() {
        return this.gmailAnswer?.asked === this.asked ? this.gmailAnswer : null;
    }

    async searchGmail() {
        const { asked } = this;
        const answer = await this.orm.silent.call(
            "gmail.mailbox",
            "panel_search_gmail",
            JSON.parse(asked)
        );
        if (asked === this.asked) {
            this.gmailAnswer = { ...answer, asked };
        }
    }

    /** Take in a conversation that Gmail found, and open it. */
    async bring({ mailbox_id, gmail_id }) {
        const call = this.calls.thread;
        const threadId = await this.orm.silent.call("gmail.mailbox", "panel_bring", [
            mailbox_id,
            gmail_id,
        ]);
        if (this.gmailAnswer) {
            this.gmailAnswer.found = this.gmailAnswer.found.filter(
                (row) => row.gmail_id !== gmail_id || row.mailbox_id !== mailbox_id
            );
        }
        if (call === this.calls.thread) {
            await this.openThread(threadId);
        }
    }

    /** Ask before mail with an address stays out of Odoo. */
    exclude(address) {
        this.close();
        return this.actionService.doAction(EXCLUDE, {
            additionalContext: { default_pattern: address },
        });
    }

    // ------------------------------------------------------------------
    // From outside
    // ------------------------------------------------------------------

    async onChanged({ mailbox_id, threads, thread_ids, progress }) {
        const mailbox = this.mailboxes.find((m) => m.id === mailbox_id);
        if (mailbox) {
            mailbox.progress = progress;
        }
        await this.loadInfo();
        if (!this.isShown || !threads) {
            return;
        }
        if (thread_ids.includes(this.threadId)) {
            await this.readThread();
        }
        if (!this.showsAll && this.mailbox?.id !== mailbox_id) {
            return;
        }
        if (this.threads.length <= PAGE) {
            await this.reload();
        } else {
            await this.refreshTop();
        }
    }

    /** Load what the panel shows, and go on with what the last page began. */
    async begin() {
        const loading = this.loadInfo();
        const told = await this.showOutcome();
        await loading;
        if (!told && this.info?.choice) {
            this.askAboutPicked(this.info.choice.id, this.info.choice);
        }
    }

    /** Say how connecting ended, when this page was loaded by Google's answer. */
    async showOutcome() {
        const url = new URL(browser.location.href);
        const attempt = parseInt(url.searchParams.get(OUTCOME_KEY), 10);
        if (!attempt) {
            return false;
        }
        router.hideKeyFromUrl(OUTCOME_KEY);
        url.searchParams.delete(OUTCOME_KEY);
        browser.history.replaceState(browser.history.state, null, url.href);
        let outcome = null;
        try {
            outcome = await this.outcomeOf(attempt);
        } catch (error) {
            outcome = { type: "danger", message: sentenceOf(error), mailbox_id: false };
        }
        if (outcome?.type === "choice") {
            this.askAboutPicked(attempt, outcome);
        } else if (outcome) {
            await this.tellOutcome(outcome);
        }
        return true;
    }

    async outcomeOf(attempt) {
        for (let second = 0; second < PATIENCE; second++) {
            const outcome = await this.orm.silent.call(
                "gmail.mailbox",
                "panel_outcome",
                [attempt]
            );
            if (outcome?.type !== "pending") {
                return outcome;
            }
            await new Promise((resolve) => browser.setTimeout(resolve, SECOND));
        }
        return {
            type: "warning",
            message: _t("Odoo still works on Google's answer. Reload in a minute."),
            mailbox_id: false,
        };
    }

    async tellOutcome(outcome) {
        if (outcome.type === "danger") {
            // It stays in the panel until she has read it.
            this.failure = outcome;
        } else if (outcome.message) {
            this.notification.add(outcome.message, {
                type: outcome.type,
                autocloseDelay: outcome.type === "success" ? 4000 : 10000,
            });
        }
        await this.open(outcome.mailbox_id || false);
    }

    /** Do not say again that Google's contacts of this mailbox wait. */
    hearOfContacts() {
        this.contactsHeard = [...this.contactsHeard, this.mailbox.id];
        browser.localStorage.setItem(
            CONTACTS_HEARD,
            JSON.stringify(this.contactsHeard)
        );
    }

    dismissFailure() {
        this.failure = null;
    }

    tryAgain() {
        const mailboxId = this.failure.mailbox_id;
        this.dismissFailure();
        if (!this.mailboxes.some((mailbox) => mailbox.id === mailboxId)) {
            return this.addMailbox();
        }
        this.mailboxId = mailboxId;
        return this.run("action_reconnect");
    }

    /** Another account was picked than typed: connect that one, or try again. */
    askAboutPicked(attempt, { message, picked }) {
        const call = (method) => this.orm.call("gmail.mailbox", method, [attempt]);
        this.dialog.add(ConfirmationDialog, {
            title: _t("Another account"),
            body: message,
            confirmLabel: _t("Connect %s", picked),
            confirm: async () => {
                await this.tellOutcome(await call("action_connect_picked"));
            },
            cancelLabel: _t("Try again"),
            cancel: async () => {
                const action = await call("action_discard_picked");
                await this.actionService.doAction(action, {
                    onClose: () => this.loadInfo(),
                });
            },
            // Closed without a choice: as if nothing had been picked.
            dismiss: async () => {
                const action = await call("action_discard_picked");
                if (!action.context.default_email) {
                    // Another tab was quicker.
                    await this.loadInfo();
                    return;
                }
                this.notification.add(
                    _t(
                        "Nothing was connected. Odoo's access to %s is withdrawn.",
                        picked
                    ),
                    { type: "info" }
                );
            },
        });
    }
}

export const gmailService = {
    dependencies: ["orm", "action", "dialog", "notification", "menu", "bus_service"],
    start(env, services) {
        const store = reactive(new GmailStore(env, services));
        services.bus_service.subscribe(CHANGED, (payload) => store.onChanged(payload));
        services.bus_service.subscribe(UNDONE, ({ draft_id }) => {
            store.stopLeaving(draft_id);
        });
        env.bus.addEventListener("WEB_CLIENT_READY", () => {
            store.begin();
        });
        return store;
    },
};

registry.category("services").add("gmail_oauth_mailbox", gmailService);
