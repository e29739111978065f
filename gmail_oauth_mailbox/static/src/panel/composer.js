import {
    Component,
    markup,
    onMounted,
    onWillUnmount,
    useExternalListener,
    useRef,
    useState,
} from "@odoo/owl";

import { ListPlugin } from "@html_editor/main/list/list_plugin";
import { ColorPlugin } from "@html_editor/main/font/color_plugin";
import { FeffPlugin } from "@html_editor/main/feff_plugin";
import { HintPlugin } from "@html_editor/main/hint_plugin";
import { InlineCodePlugin } from "@html_editor/main/inline_code";
import { LinkPastePlugin } from "@html_editor/main/link/link_paste_plugin";
import { LinkPlugin } from "@html_editor/main/link/link_plugin";
import { ShortCutPlugin } from "@html_editor/core/shortcut_plugin";
import { PlaceholderPlugin } from "@html_editor/main/placeholder_plugin";
import { TabulationPlugin } from "@html_editor/main/tabulation_plugin";
import { ToolbarPlugin } from "@html_editor/main/toolbar/toolbar_plugin";
import { CORE_PLUGINS } from "@html_editor/plugin_sets";
import { Wysiwyg } from "@html_editor/wysiwyg";
import { Dropdown } from "@web/core/dropdown/dropdown";
import { DropdownItem } from "@web/core/dropdown/dropdown_item";
import { serializeDateTime } from "@web/core/l10n/dates";
import { _t } from "@web/core/l10n/translation";
import { useService } from "@web/core/utils/hooks";
import { useDebounced } from "@web/core/utils/timing";

import { sentenceOf } from "./gmail_service";
import { GmailPeople, formatPeople } from "./people";

const PLUGINS = [
    ...CORE_PLUGINS,
    ColorPlugin,
    FeffPlugin,
    HintPlugin,
    InlineCodePlugin,
    LinkPastePlugin,
    LinkPlugin,
    ListPlugin,
    PlaceholderPlugin,
    ShortCutPlugin,
    // Lists need it; Escape leads out of the text.
    TabulationPlugin,
    ToolbarPlugin,
];
// Milliseconds without a key after which the draft is kept.
const SAVE_PAUSE = 800;
const MORNING = 8;
// Pixels.
const TALLEST_QUOTE = 480;
const { DateTime } = luxon;

/** A mail being written. Whatever is typed is kept in Odoo until it has gone out. */
export class GmailComposer extends Component {
    static template = "gmail_oauth_mailbox.Composer";
    static components = { Dropdown, DropdownItem, GmailPeople, Wysiwyg };
    static props = { draft: Object, onClose: Function };

    setup() {
        this.gmail = useService("gmail_oauth_mailbox");
        const { draft } = this.props;
        this.state = useState({
            draft: { ...draft },
            showsPeople: draft.mode === "new" || draft.mode === "forward",
            showsCc: Boolean(draft.people.cc.length),
            showsBcc: Boolean(draft.people.bcc.length),
            showsQuote: false,
            isSending: false,
            isUploading: false,
            saved: "",
            error: draft.error,
            later: "",
            templates: [],
            // Another one begins the editor anew.
            edition: 0,
        });
        // What is not kept yet.
        this.changes = {};
        this.keeping = Promise.resolve();
        this.switching = Promise.resolve();
        this.isClosed = false;
        this.config = this.configOf(draft.body);
        this.root = useRef("root");
        this.fileInput = useRef("files");
        this.saveSoon = useDebounced(() => this.save(), SAVE_PAUSE);
        // The page goes: nothing is waited for.
        useExternalListener(window, "pagehide", () => {
            this.collect();
            this.push();
        });
        const keep = () => this.save();
        onMounted(() => {
            this.gmail.keepers.add(keep);
            this.root.el.scrollIntoView({ block: "nearest" });
        });
        onWillUnmount(() => {
            this.gmail.keepers.delete(keep);
            this.save();
        });
    }

    configOf(body) {
        return {
            // What was kept of this writer's own, which the server has cleaned.
            content: markup(body || "<p><br></p>"),
            placeholder: _t("Write your mail…"),
            Plugins: PLUGINS,
            classList: ["o_gmail_editor"],
            onChange: () => this.change({}),
            onEditorReady: () => this.onEditorReady(),
        };
    }

    onLoad(editor) {
        this.editor = editor;
    }

    onEditorReady() {
        const { mode, people } = this.state.draft;
        if (mode === "new" || (mode === "forward" && !people.to.length)) {
            this.root.el?.querySelector(".o_gmail_people input")?.focus();
        } else {
            this.editor.editable.focus();
        }
        this.before = this.editor.getContent();
    }

    get attachmentsSize() {
        return this.state.draft.attachments.reduce((sum, file) => sum + file.size, 0);
    }

    get recipients() {
        const { to, cc, bcc } = this.state.draft.people;
        return [...to, ...cc, ...bcc].map((p) => p.name || p.email).join(", ");
    }

    // ------------------------------------------------------------------
    // Keeping
    // ------------------------------------------------------------------

    change(values) {
        Object.assign(this.changes, values);
        this.state.error = "";
        this.saveSoon();
    }

    setPeople(role, people) {
        this.state.draft.people[role] = people;
        this.change({ [role]: formatPeople(people) });
    }

    setSubject(subject) {
        this.state.draft.subject = subject;
        this.change({ subject });
    }

    /** Another mailbox brings its signature along. */
    setFrom(address) {
        this.state.draft.email_from = address;
        this.change({ email_from: address });
        this.switching = this.switching.then(() => this.takeSignature());
        return this.switching;
    }

    async takeSignature() {
        const { draft } = this.state;
        const chosen = () =>
            draft.senders.find(({ address }) => address === draft.email_from);
        // Whoever types on meanwhile makes another round.
        while (chosen().mailbox_id !== draft.mailbox_id && !this.isClosed) {
            const { address, mailbox_id } = chosen();
            this.change({ email_from: address });
            const read = (await this.save()) && (await this.read());
            if (!read) {
                return;
            }
            if (this.isKept) {
                draft.mailbox_id = mailbox_id;
                this.showBody(read.body);
            }
        }
    }

    /** Return the draft as the server has it, or null. */
    async read() {
        try {
            return await this.gmail.readDraft(this.props.draft.id);
        } catch (error) {
            this.state.error = sentenceOf(error);
            return null;
        }
    }

    showBody(body) {
        this.config = this.configOf(body);
        this.before = undefined;
        this.state.edition++;
    }

    /** A quoted text is as tall as it is, up to where it scrolls. */
    fitQuote(ev) {
        const height = ev.target.contentDocument?.body?.scrollHeight || 0;
        ev.target.style.height = `${Math.min(height + 16, TALLEST_QUOTE)}px`;
    }

    dropQuote() {
        this.state.draft.is_quoting = false;
        this.state.draft.quote = "";
        this.change({ is_quoting: false });
    }

    /** Whether the server has all that stands here. */
    get isKept() {
        this.collect();
        return !Object.keys(this.changes).length;
    }

    /** Take what stands in the editor among the changes. */
    collect() {
        if (this.editor && !this.editor.isDestroyed && this.before !== undefined) {
            const body = this.editor.getContent();
            if (body !== this.before) {
                this.before = this.changes.body = body;
            }
        }
    }

    /**
     * Keep what has changed, one call after the other, so that the newest is what
     * stays; what cannot be kept now is tried again with the next.
     *
     * @returns {Promise<boolean>} whether all of it is kept
     */
    save() {
        this.collect();
        this.keeping = this.keeping.then(() => this.push());
        this.gmail.waitFor(this.keeping);
        return this.keeping;
    }

    async push() {
        const values = this.changes;
        if (this.isClosed || !Object.keys(values).length) {
            return true;
        }
        this.changes = {};
        try {
            await this.gmail.saveDraft(this.props.draft, values);
            this.state.saved = _t("Saved");
            return true;
        } catch (error) {
            this.changes = { ...values, ...this.changes };
            this.state.error = sentenceOf(error);
            return false;
        }
    }

    // ------------------------------------------------------------------
    // Buttons
    // ------------------------------------------------------------------

    onKeydown(ev) {
        if (ev.key === "Enter" && (ev.ctrlKey || ev.metaKey)) {
            ev.preventDefault();
            ev.stopPropagation();
            this.send();
        } else if (ev.key === "Escape" && !ev.defaultPrevented) {
            // Out of the text, by the keyboard.
            ev.preventDefault();
            ev.stopPropagation();
            this.root.el.querySelector(".o_gmail_send").focus();
        }
    }

    close() {
        this.isClosed = true;
        this.props.onClose();
    }

    async discard() {
        this.isClosed = true;
        try {
            await this.keeping;
            await this.gmail.discardDraft(this.props.draft.id);
            this.props.onClose();
        } catch (error) {
            this.isClosed = false;
            this.state.error = sentenceOf(error);
        }
    }

    /** Leave the mail as a draft. */
    async leave() {
        if (await this.save()) {
            this.close();
        }
    }

    async send(sendAt = false) {
        if (this.state.isSending || this.state.isUploading) {
            return;
        }
        this.state.isSending = true;
        this.state.error = "";
        try {
            // An address that was typed and not confirmed counts.
            for (const input of this.root.el.querySelectorAll(
                ".o_gmail_people input"
            )) {
                input.dispatchEvent(new FocusEvent("blur"));
            }
            await this.switching;
            if (await this.save()) {
                await this.gmail.sendDraft(
                    this.props.draft.id,
                    sendAt,
                    this.recipients
                );
                this.close();
            }
        } catch (error) {
            this.state.error = sentenceOf(error);
        } finally {
            this.state.isSending = false;
        }
    }

    get times() {
        const morning = DateTime.now().set({
            hour: MORNING,
            minute: 0,
            second: 0,
            millisecond: 0,
        });
        const monday = morning.plus({ days: 8 - morning.weekday });
        return [
            [_t("In one hour"), DateTime.now().plus({ hours: 1 })],
            [_t("Tomorrow morning"), morning.plus({ days: 1 })],
            [_t("Monday morning"), monday],
        ].map(([name, time]) => ({
            name,
            time,
            shown: time.toLocaleString({
                weekday: "short",
                hour: "numeric",
                minute: "2-digit",
            }),
        }));
    }

    sendLater(time) {
        return this.send(serializeDateTime(time));
    }

    sendAtChosen() {
        const time = DateTime.fromISO(this.state.later);
        if (time.isValid) {
            return this.sendLater(time);
        }
    }

    async addFiles(ev) {
        const files = [...ev.target.files];
        ev.target.value = "";
        if (!files.length) {
            return;
        }
        this.state.isUploading = true;
        this.state.error = "";
        try {
            const draft = await this.gmail.attach(this.props.draft.id, files);
            this.state.draft.attachments = draft.attachments;
        } catch (error) {
            this.state.error = error.sentence || sentenceOf(error);
        } finally {
            this.state.isUploading = false;
        }
    }

    async removeFile(file) {
        const draft = await this.gmail.callDraft(
            this.props.draft.id,
            "panel_remove_file",
            file.id
        );
        this.state.draft.attachments = draft.attachments;
    }

    async applyTemplate(template) {
        if (!(await this.save())) {
            return;
        }
        try {
            const draft = await this.gmail.callDraft(
                this.props.draft.id,
                "panel_apply_template",
                template.id
            );
            this.state.draft.subject = draft.subject;
            this.showBody(draft.body);
        } catch (error) {
            this.state.error = sentenceOf(error);
        }
    }

    /** Templates depend on whom it goes to, which may have changed. */
    async readTemplates() {
        await this.save();
        try {
            this.state.templates = await this.gmail.callDraft(
                this.props.draft.id,
                "panel_templates"
            );
        } catch (error) {
            this.state.error = sentenceOf(error);
        }
    }

    removeLabel(name) {
        return _t("Remove %s", name);
    }

    size(bytes) {
        return this.gmail.sizeOf(bytes);
    }
}
