import { describe, expect, test } from "@odoo/hoot";
import { click, edit, press, queryAllTexts } from "@odoo/hoot-dom";
import { animationFrame, runAllTimers } from "@odoo/hoot-mock";
import { Component, useState, xml } from "@odoo/owl";
import { defineMailModels } from "@mail/../tests/mail_test_helpers";
import { mountWithCleanup, onRpc } from "@web/../tests/web_test_helpers";

import {
    GmailPeople,
    formatPeople,
    parsePerson,
} from "@gmail_oauth_mailbox/panel/people";

describe.current.tags("desktop");
defineMailModels();

class Field extends Component {
    static template = xml`
        <GmailPeople id="'to'" label="'To'" people="state.people"
            onChange="(people) => { state.people = people; }"/>`;
    static components = { GmailPeople };
    static props = { people: Array };

    setup() {
        this.state = useState({ people: this.props.people });
    }
}

async function mountField(people = []) {
    onRpc("gmail.draft", "panel_recipients", ({ args: [text] }) => {
        expect.step(text);
        return [{ name: "Carla Roth", email: "carla@customer.test", partner_id: 3 }];
    });
    return mountWithCleanup(Field, { props: { people } });
}

test("what is written is read back the same", () => {
    const people = [
        { name: "Roth, Carla", email: "carla@customer.test" },
        { name: 'Dan "the man"', email: "dan@x.test" },
        { name: "", email: "eve@x.test" },
    ];
    const text = formatPeople(people);
    expect(text).toBe(
        '"Roth, Carla" <carla@customer.test>, "Dan  the man" <dan@x.test>, eve@x.test'
    );
    expect(parsePerson("Carla Roth <carla@customer.test>")).toEqual({
        name: "Carla Roth",
        email: "carla@customer.test",
    });
    expect(parsePerson(" carla@customer.test ")).toEqual({
        name: "",
        email: "carla@customer.test",
    });
});

test("a name is completed", async () => {
    await mountField();
    await click("input");
    await edit("carl", { confirm: false });
    await runAllTimers();
    expect.verifySteps(["carl"]);
    await click(".o-autocomplete--dropdown-item");
    await animationFrame();
    expect(queryAllTexts(".o_gmail_person")).toEqual(["Carla Roth"]);
    expect("input").toHaveValue("");
});

test("addresses are taken at a comma, each once; Backspace takes the last away", async () => {
    await mountField();
    await click("input");
    await edit("dan@x.test, eve@x.test, DAN@x.test,", { confirm: false });
    await runAllTimers();
    await animationFrame();
    expect(queryAllTexts(".o_gmail_person")).toEqual(["dan@x.test", "eve@x.test"]);
    expect("input").toHaveValue("");
    await click("input");
    await press("Backspace");
    await animationFrame();
    await animationFrame();
    expect(queryAllTexts(".o_gmail_person")).toEqual(["dan@x.test"]);
});

test("what is no address is kept and marked", async () => {
    await mountField([{ name: "", email: "nobody" }]);
    expect(".o_gmail_person.text-bg-danger").toHaveText("nobody");
    await click(".o_gmail_person .btn-close");
    await animationFrame();
    expect(".o_gmail_person").toHaveCount(0);
});
