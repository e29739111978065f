"""Acts of others that would share more of later email are offered to the owner first:
act, actor, and level, in a table."""

from datetime import timedelta
from unittest.mock import patch

from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from odoo.addons.gmail_oauth_mailbox.services import gmail_exclusions
from odoo.addons.gmail_oauth_mailbox.services.linking.offers import Offers

from .common import ANNA, mail
from .test_linking import CARLA, PASS, LinkingCase

DORA = "dora@dora-example.test"
PASS_DORA = PASS.replace("customer-example", "dora-example").replace(
    "carla.roth", "dora"
)
SHARED = ("metadata", "subject", "everything")
LEVELS = (False, "nobody", *SHARED)
# Acts by which a subject leads to a record.
RULED = ("subject_rule", "decoy")


class OffersCase(LinkingCase):
    def setUp(self):
        super().setUp()
        self.admin = self._user(
            "gmail_admin",
            "Administrator",
            "admin@corp-example.test",
            "base.group_user,base.group_system,base.group_partner_manager",
        )
        manager = self.env.ref("base.group_partner_manager")
        sales = self.env.ref("sales_team.group_sale_salesman_all_leads")
        (self.anna | self.ben).write({"group_ids": [(4, manager.id), (4, sales.id)]})
        self.long_ago()
        self.number = 0

    def long_ago(self):
        """What is there was written long before the snapshot was compared last."""
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE res_partner SET create_date = '2020-01-01',"
            " write_date = '2020-01-01'"
        )
        self.env["res.partner"].invalidate_model()

    def mail(self, box, sender=DORA, results=PASS_DORA, **values):
        """Have an email arrive and be linked."""
        self.number += 1
        self.receive(
            sender=f"Dora <{sender}>",
            Authentication_Results=results,
            Message_ID=f"<{self.number}@dora-example.test>",
            subject=values.pop("subject", f"Walnut {self.number}"),
            date=f"Mon, 23 Nov 2026 10:{self.number:02}:00 +0000",
            **values,
        )
        box.next_sync = "2020-01-01"
        self.run_cron("sync_1")
        self.run_cron("file")

    def choose(self, level):
        """Return a mailbox of Anna's that has chosen a level."""
        box = self.box(level=level)
        self.settle(box)
        self.long_ago()
        return box

    def dora(self, **values):
        return self.env["res.partner"].create({"name": "Dora", **values})

    def offers(self, box):
        return self.env["gmail.offer"].search([("mailbox_id", "=", box.id)])

    def entries(self, box):
        return self.env["gmail.entry"].search([("mailbox_id", "=", box.id)])


@tagged("standard", "post_install", "-at_install")
class TestNothingOwn(OffersCase):
    def test_contacts_are_merged_where_the_company_has_no_address(self):
        contacts = self.dora(email=DORA) | self.dora(name="Twin", email=DORA)
        wizard = self.env["base.partner.merge.automatic.wizard"].with_user(self.admin)
        wizard = wizard.create(
            {
                "partner_ids": [(6, 0, contacts.ids)],
                "dst_partner_id": contacts[0].id,
            }
        )
        with patch.object(Offers, "_own", lambda offers: set()):
            self.env["gmail.linking"]._compare_ways()
            wizard.action_merge()
        self.assertEqual(contacts.exists(), contacts[0])


@tagged("standard", "post_install", "-at_install")
class TestOffers(OffersCase):
    """Each act returns the record that shows Dora's email by it."""

    # -- acts: before() prepares, act() is somebody's ---------------------

    def created(self):
        return lambda user: (
            self.env["res.partner"]
            .with_user(user)
            .create({"name": "Dora", "email": DORA})
        )

    def changed(self):
        dora = self.dora(email="other@dora-example.test")
        return lambda user: self.written(dora, user, email=DORA)

    def merged(self):
        dora = self.dora(email=DORA)
        dora.email = False
        into = self.dora()

        def act(user):
            self.written(dora, user, email=DORA)
            wizard = self.env["base.partner.merge.automatic.wizard"].create({})
            wizard.with_user(user).sudo()._merge((dora | into).ids, into)
            return into

        return act

    def unarchived(self):
        dora = self.dora(email=DORA, active=False)
        return lambda user: self.written(dora, user, active=True)

    def moved_to_a_company(self):
        dora = self.dora(email=DORA)
        company = self.dora(name="Dora Inc", is_company=True)
        return lambda user: self.written(dora, user, parent_id=company.id)

    def moved_to_an_odoo_company(self):
        dora = self.dora(email=DORA)
        company = self.env["res.company"].create({"name": "Second"})
        (self.anna | self.ben | self.admin).write({"company_ids": [(4, company.id)]})
        return lambda user: self.written(dora, user, company_id=company.id)

    def company_domain(self):
        company = self.dora(name="Dora Inc", is_company=True)
        self.long_ago()

        def act(user):
            self.env["res.partner"].with_user(user).create(
                {
                    "name": "Dirk",
                    "email": "dirk@dora-example.test",
                    "parent_id": company.id,
                }
            )
            return company

        return act

    def subject_rule(self):
        project = self.dora(name="WA42")
        participant = self.dora(email=DORA)
        project.message_subscribe(participant.ids)

        def act(user):
            self.env["gmail.link.rule"].with_user(user).sudo().create(
                {
                    "name": "WA{digits}",
                    "model_id": self.env["ir.model"]._get_id("res.partner"),
                }
            )
            return project

        return act

    def decoy(self):
        """A record gets the name that a subject rule finds."""
        self.env["gmail.link.rule"].create(
            {
                "name": "WA{digits}",
                "model_id": self.env["ir.model"]._get_id("res.partner"),
            }
        )
        project = self.dora(name="WA41")
        project.message_subscribe(self.dora(email=DORA).ids)
        return lambda user: self.written(project, user, name="WA42")

    def access_to_a_company(self):
        """The owner gets access to one more company."""
        company = self.env["res.company"].create({"name": "Second"})
        dora = self.dora(email=DORA, company_id=company.id)

        def act(user):
            self.anna.with_user(user).sudo().company_ids += company
            return dora

        return act

    def own_domains(self):
        self.settings(gmail_own_domains="dora-example.test")
        dora = self.dora(email=DORA)
        self.env["gmail.linking"]._compare_ways()

        def act(user):
            self.settings(user, gmail_own_domains=False)
            return dora

        return act

    def exclusion_withdrawn(self):
        dora = self.dora(email=DORA)
        exclusion = self.env["gmail.exclusion"].create({"pattern": DORA})

        def act(user):
            exclusion.with_user(user).sudo().unlink()
            return dora

        return act

    def written(self, partner, user, **values):
        self.long_ago()
        partner.with_user(user).sudo().write(values)
        return partner

    def settings(self, user=None, **values):
        settings = self.env["res.config.settings"].with_user(user or self.admin)
        settings.sudo().create(values).execute()

    ACTS = (
        "created",
        "changed",
        "merged",
        "unarchived",
        "moved_to_a_company",
        "moved_to_an_odoo_company",
        "company_domain",
        "subject_rule",
        "decoy",
        "access_to_a_company",
        "own_domains",
        "exclusion_withdrawn",
    )

    def cell(self, act, level, is_own):
        prepared = getattr(self, act)()
        self.long_ago()
        box = self.choose(level)
        record = prepared(self.anna if is_own else self.admin)
        self.env.flush_all()
        self.mail(box, subject="On WA42" if act in RULED else "Walnut")
        posts = self.posts(record)
        offers = self.offers(box)
        if level not in SHARED:
            self.assertFalse(posts or offers)
            return
        if is_own:
            self.assertEqual(len(posts), 1)
            self.assertFalse(offers)
            return
        self.assertFalse(posts)
        self.assertEqual(len(offers), 1)
        self.assertEqual(offers.state, "asked")
        self.assertEqual(offers.activity_id.user_id, self.anna)
        self.assertEqual(offers.actor_id, self.admin)
        # A second email asks no second time.
        self.mail(box, subject="On WA42" if act in RULED else "Walnut")
        self.assertEqual(self.offers(box), offers)
        self.assertFalse(self.posts(record))
        offers.with_user(self.anna).action_share()
        self.run_cron("file")
        self.assertEqual(len(self.posts(record)), 2)
        self.assertFalse(offers.activity_id)


def _tests(case, acts, cell):
    """Give a class a test for each act, actor, and level.

    :param cell: name of its method that runs one
    """
    for act in acts:
        for level in LEVELS:
            for is_own in (True, False):
                who = "owner" if is_own else "another"

                def test(self, act=act, level=level, is_own=is_own):
                    getattr(self, cell)(act, level, is_own)

                name = f"test_{act}_by_{who}_at_{level or 'unset'}"
                test.__name__ = name
                setattr(case, name, test)


_tests(TestOffers, TestOffers.ACTS, "cell")


@tagged("standard", "post_install", "-at_install")
class TestAnswers(OffersCase):
    def asked(self, level="everything"):
        box = self.choose(level)
        dora = (
            self.env["res.partner"]
            .with_user(self.ben)
            .create({"name": "Dora", "email": DORA})
        )
        self.mail(box)
        [offer] = self.offers(box)
        return box, dora.sudo(), offer

    def test_an_address_is_named_as_it_was_written(self):
        box = self.choose("everything")
        written = "do.ra@gmail.com"
        self.env["res.partner"].with_user(self.ben).create(
            {"name": "Dora", "email": written}
        )
        results = PASS.replace("customer-example.test", "gmail.com")
        self.mail(box, sender=written, results=results.replace("carla.roth", "do.ra"))
        [offer] = self.offers(box)
        self.assertEqual(offer.way, "address:dora@gmail.com")
        self.assertEqual(offer.name, written)
        self.assertIn(written, offer.activity_id.summary)

    def test_an_erased_person_is_named_nowhere(self):
        _box, dora, offer = self.asked()
        offer.with_user(self.anna).action_decline()
        later = patch.object(gmail_exclusions, "LATECOMERS", timedelta(minutes=-1))
        later.start()
        self.addCleanup(later.stop)
        self.env["gmail.exclusions"].with_user(self.admin)._erase([DORA])
        self.env["gmail.erasure"].search([]).until = "2040-01-01"
        self.run_cron("file")
        self.assertFalse(offer.exists())
        # Their contact goes later.
        dora.unlink()
        Offers(self.env(su=True)).compare()
        self.env.flush_all()
        for table in ("gmail_offer", "gmail_way", "gmail_erasure", "gmail_participant"):
            self.env.cr.execute(f"SELECT t::text FROM {table} t")  # noqa: S608
            self.assertNotIn(DORA, str(self.env.cr.fetchall()), table)

    def test_what_later_email_waits_for_stays_after_an_erasure(self):
        _box, _dora, offer = self.asked()
        self.env["gmail.exclusions"].with_user(self.admin)._erase([DORA])
        self.env["gmail.erasure"].search([]).until = "2001-01-01"
        self.run_cron("file")
        self.assertEqual(offer.state, "asked")
        self.assertTrue(offer.activity_id)

    def test_no_is_no(self):
        box, dora, offer = self.asked()
        self.assertIn(DORA, offer.activity_id.summary)
        self.assertIn("Ben Schulz", offer.with_user(self.anna).reason)
        offer.with_user(self.anna).action_decline()
        self.mail(box)
        dora.with_user(self.ben).sudo().phone = "+49 30 1234567"
        self.mail(box)
        self.assertFalse(self.posts(dora))
        self.assertEqual(self.offers(box), offer)
        self.assertFalse(offer.activity_id)
        # And can be taken back.
        offer.with_user(self.anna).action_share()
        self.run_cron("file")
        self.assertEqual(len(self.posts(dora)), 3)

    def test_the_activity_opens_the_request(self):
        _box, _dora, offer = self.asked()
        activity = offer.activity_id.with_user(self.anna)
        self.assertEqual((activity.res_model, activity.res_id), (offer._name, offer.id))
        offer = offer.with_user(self.anna)
        self.assertIn(offer.question, activity.summary)
        # Which level it would be, and that no answer is no.
        self.assertIn("Everything", offer.reason)
        self.assertIn("unless you agree", offer.reason)

    def test_an_activity_that_is_done_answers_nothing(self):
        _box, dora, offer = self.asked()
        offer.activity_id.with_user(self.anna).action_done()
        self.assertEqual(offer.state, "asked")
        self.assertFalse(self.posts(dora))

    def test_requests_of_a_deleted_mailbox_remind_of_nothing(self):
        box, _dora, offer = self.asked()
        activity = offer.activity_id
        box._delete()
        self.assertFalse(activity.exists())

    def test_an_answer_is_confirmed(self):
        _box, _dora, offer = self.asked()
        offer = offer.with_user(self.anna)
        found = offer.action_decline()
        self.assertEqual(
            found["params"]["message"], f"Your emails with {DORA} stay private."
        )
        found = offer.action_share()
        self.assertIn(DORA, found["params"]["message"])
        self.assertIn("can read", found["params"]["message"])

    def test_the_panel_says_what_keeps_an_email_private(self):
        box, dora, offer = self.asked()
        thread = self.thread(box)

        def sentence():
            return thread.with_user(self.anna).panel_documents()["statement"]

        self.assertIn("until you answer the sharing request", sentence())
        offer.with_user(self.anna).action_decline()
        self.run_cron("file")
        self.assertIn("you declined to share", sentence())

    def test_the_panel_says_that_an_email_came_before_the_choice(self):
        box = self.box()
        self.dora(email=DORA)
        self.mail(box)
        box.with_user(self.anna).sharing_level = "everything"
        self.run_cron("file")
        found = self.thread(box).with_user(self.anna).panel_documents()["statement"]
        self.assertIn("it came before you chose to share", found)

    def test_only_the_owner_sees_and_answers(self):
        _box, dora, offer = self.asked()
        for user in (self.ben, self.admin):
            found = self.env["gmail.offer"].with_user(user).search([])
            self.assertFalse(found)
            for method in ("action_share", "action_decline"):
                with self.assertRaises(AccessError):
                    getattr(offer.with_user(user), method)()
            activities = self.env["mail.activity"].with_user(user)
            self.assertFalse(activities.search([("id", "=", offer.activity_id.id)]))
        self.assertFalse(self.posts(dora))

    def test_the_owner_shares_the_conversation_themselves(self):
        box, dora, _offer = self.asked()
        thread = self.thread(box).with_user(self.anna)
        thread.panel_link("res.partner", dora.id)
        self.run_cron("file")
        self.assertEqual(len(self.posts(dora)), 1)

    def test_a_new_choice_covers_what_is_there(self):
        box, dora, _offer = self.asked("metadata")
        box.with_user(self.anna).sharing_level = "everything"
        self.run_cron("file")
        self.assertFalse(self.posts(dora))

    def test_an_answer_is_asked_for_again_when_it_leads_elsewhere(self):
        box, dora, offer = self.asked()
        offer.with_user(self.anna).action_share()
        self.run_cron("file")
        company = self.dora(name="Dora Inc", is_company=True)
        self.long_ago()
        dora.with_user(self.ben).sudo().parent_id = company
        self.mail(box)
        self.assertEqual(offer.state, "asked")
        self.assertTrue(offer.activity_id)
        self.assertIn("You agreed before", offer.with_user(self.anna).reason)
        # What the record shows already stays.
        self.assertEqual(len(self.posts(dora)), 1)

    def test_earlier_email_is_not_shared_by_it(self):
        """Linking a contact's earlier email shares nothing of it."""
        box, dora, offer = self.asked()
        self.assertFalse(self.entries(box))
        self.assertEqual(offer.state, "asked")
        self.assertFalse(self.posts(dora))

    def test_a_record_that_is_moved(self):
        lead = self.env["crm.lead"].create({"name": "Trade fair"})
        self.dora(email=DORA)
        self.long_ago()
        box = self.choose("everything")
        self.mail(box, References="<first@x.test>")
        thread = self.thread(box)
        thread.with_user(self.anna).panel_link("crm.lead", lead.id)
        self.run_cron("file")
        first = len(self.posts(lead))
        self.assertEqual(first, 1)
        self.mail(box, References="<1@dora-example.test>", subject="Re: Walnut 1")
        self.assertEqual(len(self.posts(lead)), 2)
        company = self.env["res.company"].create({"name": "Second"})
        (self.anna | self.ben).write({"company_ids": [(4, company.id)]})
        lead.with_user(self.ben).sudo().company_id = company
        self.mail(box, References="<1@dora-example.test>", subject="Re: Walnut 1")
        self.assertEqual(len(self.posts(lead)), 2)
        [offer] = self.offers(box)
        self.assertEqual(offer.kind, "record")
        offer.with_user(self.anna).action_share()
        self.run_cron("file")
        self.assertEqual(len(self.posts(lead)), 3)
        # By the owner themselves it is not asked about.
        lead.with_user(self.anna).sudo().company_id = False
        self.mail(box, References="<1@dora-example.test>", subject="Re: Walnut 1")
        self.assertEqual(len(self.posts(lead)), 4)

    def test_a_raised_maximum(self):
        box = self.choose("everything")

        def limit(level, user=None):
            settings = self.env["res.config.settings"].with_user(user or self.admin)
            settings.sudo().create({"gmail_sharing_ceiling": level}).execute()
            self.run_cron("file")

        limit("metadata")
        self.assertEqual(box.sharing_level, "metadata")
        self.assertFalse(self.offers(box))
        limit("subject")
        self.assertEqual(box.sharing_level, "metadata")
        [offer] = self.offers(box)
        self.assertEqual((offer.kind, offer.state), ("limit", "asked"))
        self.assertEqual(offer.activity_id.user_id, self.anna)
        self.assertEqual(offer.question, 'Go back to sharing "The subject too"?')
        offer.with_user(self.anna).action_decline()
        self.assertEqual(box.sharing_level, "metadata")
        answer = offer.with_user(self.anna).action_share()
        self.assertEqual(box.sharing_level, "subject")
        self.assertIn('shares "The subject too"', answer["params"]["message"])
        # What was agreed to is changed where the mailbox is.
        self.assertTrue(offer.is_final)
        with self.assertRaisesRegex(UserError, "open the mailbox"):
            offer.with_user(self.anna).action_decline()
        self.assertEqual((offer.state, box.sharing_level), ("accepted", "subject"))
        limit(False)
        self.assertEqual(box.sharing_level, "subject")

    def test_an_owners_own_choice_is_not_offered_again(self):
        box = self.choose("everything")
        settings = self.env["res.config.settings"].with_user(self.admin).sudo()
        settings.create({"gmail_sharing_ceiling": "metadata"}).execute()
        box.with_user(self.anna).sharing_level = "metadata"
        settings.create({"gmail_sharing_ceiling": False}).execute()
        self.assertFalse(self.offers(box))
        self.assertEqual(self.env.user.login and box.email, ANNA)

    def test_carla_was_there_when_anna_chose(self):
        box = self.choose("everything")
        self.mail(box, sender=CARLA, results=PASS)
        self.assertEqual(len(self.posts(self.carla)), 1)
        self.assertFalse(self.offers(box))


@tagged("standard", "post_install", "-at_install")
class TestWaysEnd(OffersCase):
    """What the owner declined, or was never asked about, stays private when what led
    there is gone."""

    def bens_dora(self, **values):
        partners = self.env["res.partner"].with_user(self.ben)
        return partners.create({"name": "Dora", "email": DORA, **values})

    def bens_dirk(self):
        """Return a company that Ben's contact at its domain leads to."""
        company = self.dora(name="Dora Inc", is_company=True)
        self.long_ago()
        values = {"name": "Dirk", "email": "dirk@dora-example.test"}
        partners = self.env["res.partner"].with_user(self.ben)
        return company, partners.create({**values, "parent_id": company.id})

    def again(self, box):
        """Have an email of the first one's conversation arrive."""
        self.env.flush_all()
        self.mail(box, References="<1@dora-example.test>", subject="Re: Walnut 1")
        self.assertEqual(len(self.thread(box)), 1)

    def test_declined_then_gone(self):
        for act, values in (
            ("archived", {"active": False}),
            ("changed", {"email": "other@else-example.test"}),
            ("emptied", {"email": False}),
        ):
            for answer in ("action_decline", None):
                with self.subTest(act=act, answer=answer):
                    self.number = 0
                    box = self.choose("everything")
                    dora = self.bens_dora()
                    self.mail(box)
                    [offer] = self.offers(box)
                    if answer:
                        getattr(offer.with_user(self.anna), answer)()
                    dora.write(values)
                    self.again(box)
                    self.assertFalse(self.posts(dora.sudo()))
                    self.assertEqual(self.offers(box), offer)
                    box._delete()
                    dora.sudo().unlink()
                    self.google.control("settings", {"reset": True})

    def test_to_decline_shares_nothing(self):
        for level in SHARED:
            with self.subTest(level=level):
                self.decline(level)

    def decline(self, level):
        self.number = 0
        box = self.choose(level)
        dora = self.bens_dora()
        self.mail(box)
        [offer] = self.offers(box)
        dora.active = False
        self.env.flush_all()
        offer.with_user(self.anna).action_decline()
        self.run_cron("file")
        self.assertFalse(self.posts(dora.sudo()))
        box._delete()
        dora.sudo().unlink()
        self.google.control("settings", {"reset": True})

    def test_gone_before_the_first_email_is_linked(self):
        box = self.choose("everything")
        dora = self.bens_dora()
        self.receive(
            sender=f"Dora <{DORA}>",
            Authentication_Results=PASS_DORA,
            Message_ID="<first@dora-example.test>",
        )
        box.next_sync = "2020-01-01"
        self.run_cron("sync_1")
        dora.active = False
        self.env.flush_all()
        self.run_cron("file")
        self.assertFalse(self.posts(dora.sudo()))
        self.assertEqual(self.offers(box).way, f"address:{DORA}")

    def test_a_domain(self):
        box = self.choose("everything")
        company, dirk = self.bens_dirk()
        self.mail(box)
        [offer] = self.offers(box)
        self.assertEqual(offer.kind, "domain")
        offer.with_user(self.anna).action_decline()
        dirk.email = False
        self.again(box)
        self.assertFalse(self.posts(company))

    def test_back_again_is_asked_about_again(self):
        """What the owner's choice covered ends, and another user's act renews it."""
        dora = self.dora(email=DORA)
        self.long_ago()
        box = self.choose("everything")
        self.mail(box)
        dora.with_user(self.ben).active = False
        self.again(box)
        self.assertEqual(len(self.posts(dora)), 2)
        dora.with_user(self.ben).active = True
        self.again(box)
        self.assertEqual(len(self.posts(dora)), 2)
        self.assertEqual(self.offers(box).actor_id, self.ben)

    def test_what_was_erased_leaves_no_address(self):
        self.dora(email=DORA).email = False
        self.env["gmail.way"].create({"key": f"address:{DORA}", "signature": ""})
        exclusions = self.env["gmail.exclusions"].with_user(self.admin)
        exclusions._erase([DORA])
        self.run_cron("file")
        ways = self.env["gmail.way"].search([("key", "=", f"address:{DORA}")])
        self.assertFalse(ways)


@tagged("standard", "post_install", "-at_install")
class TestActors(OffersCase):
    """Whose act a way is: theirs who changed where it leads, not the last writer's."""

    def asked(self, box, record):
        self.env.flush_all()
        before = len(self.posts(record))
        self.mail(box)
        self.assertEqual(len(self.posts(record)), before)
        return self.offers(box)

    def test_a_later_writer_of_something_else(self):
        company = self.dora(name="Dora Inc", is_company=True)
        dora = self.dora(email="other@else-example.test", parent_id=company.id)
        self.long_ago()
        box = self.choose("everything")
        dora.with_user(self.ben).email = DORA
        self.env.flush_all()
        company.with_user(self.anna).name = "Dora Ltd"
        dora.with_user(self.anna).write({"email": DORA, "phone": "1"})
        self.assertEqual(self.asked(box, dora).actor_id, self.ben)

    def test_two_users_are_nobody(self):
        dora = self.dora(email="other@else-example.test")
        self.long_ago()
        box = self.choose("everything")
        dora.with_user(self.ben).email = DORA
        dora.with_user(self.anna).is_company = True
        self.assertFalse(self.asked(box, dora).actor_id)

    def test_a_company_above(self):
        """Ben moves the company of a contact that Anna has just changed."""
        above = self.dora(name="Above", is_company=True)
        company = self.dora(name="Dora Inc", is_company=True)
        dora = self.dora(email="other@else-example.test", parent_id=company.id)
        self.long_ago()
        box = self.choose("everything")
        dora.with_user(self.anna).email = DORA
        self.mail(box)
        self.assertEqual(len(self.posts(dora)), 1)
        company.with_user(self.ben).write({"is_company": False, "parent_id": above.id})
        self.asked(box, dora)

    def test_who_merges_did_not_create(self):
        box = self.choose("everything")
        partners = self.env["res.partner"]
        dora = partners.with_user(self.ben).create({"name": "Dora", "email": DORA})
        dora, other = dora.sudo(), self.dora()
        wizard = self.env["base.partner.merge.automatic.wizard"].create({})
        wizard.with_user(self.anna).sudo()._merge((dora | other).ids, dora)
        self.assertEqual(self.asked(box, dora).actor_id, self.ben)

    def test_an_administrator_changes_a_setting(self):
        """Which makes contacts of others no act of theirs."""
        box = self.choose("everything")
        partners = self.env["res.partner"]
        dora = partners.with_user(self.ben).create({"name": "Dora", "email": DORA})
        settings = self.env["res.config.settings"].with_user(self.anna).sudo()
        settings.create({"gmail_own_domains": "own-example.test"}).execute()
        self.assertEqual(self.asked(box, dora.sudo()).actor_id, self.ben)

    def test_other_writes_cost_no_statement(self):
        dora = self.dora(email=DORA)
        dora.name = "D"
        self.env.flush_all()
        for values in ({"phone": "2"}, {"email": DORA}):
            self.env["gmail.act"].search([]).unlink()
            with patch.object(Offers, "note_changed") as noted:
                dora.write(values)
            self.assertFalse(noted.called)
        dora.with_user(self.ben).email = "x@dora-example.test"
        self.assertEqual(self.env["gmail.act"].search([]).user_id, self.ben)

    def test_a_choice_is_of_when_it_was_made(self):
        """Not of when a worker applies it."""
        box = self.choose(False)
        box.with_user(self.anna).sharing_level = "everything"
        self.env.flush_all()
        partners = self.env["res.partner"]
        dora = partners.with_user(self.ben).create({"name": "Dora", "email": DORA})
        self.env.flush_all()
        self.run_cron("file")
        box.sharing_steps = [[None, "everything"]]
        self.assertEqual(self.asked(box, dora.sudo()).actor_id, self.ben)


@tagged("standard", "post_install", "-at_install")
class TestRecords(OffersCase):
    """Records that emails are linked to by hand, and those that a rule finds."""

    def setUp(self):
        super().setUp()
        self.second = self.env["res.company"].create({"name": "Second"})
        users = self.anna | self.ben | self.admin
        users.write({"company_ids": [(4, self.second.id)]})

    def lead(self, user=None, **values):
        leads = self.env["crm.lead"].with_user(user or self.env.user).sudo()
        values = {"name": "Trade fair", "type": "opportunity", **values}
        return leads.create(values).sudo(False).with_user(self.env.user)

    def by_hand(self, lead, level="everything"):
        """Return a mailbox with a conversation that Anna linked to a lead."""
        self.dora(email=DORA)
        self.long_ago()
        box = self.choose(level)
        self.mail(box, References="<first@x.test>")
        thread = self.thread(box).with_user(self.anna)
        thread.panel_link("crm.lead", lead.id)
        self.run_cron("file")
        return box

    def again(self, box, record):
        """Return whether the next email of the conversation is on a record."""
        self.env.flush_all()
        body = f"Number {self.number}"
        self.mail(
            box,
            body=body,
            References="<1@dora-example.test>",
            subject="Re: Walnut 1",
        )
        return body in str(record.sudo().message_ids.mapped("body"))

    # Acts on a record that Anna linked a conversation to.

    def moved(self):
        lead = self.lead()

        def act(user):
            lead.with_user(user).sudo().company_id = self.second
            # Odoo writes there, too, as whoever triggers it.
            lead.with_user(self.anna).sudo().priority = "2"
            return lead

        return lead, act

    def merged(self):
        lead = self.lead(probability=1)
        other = self.lead(company_id=self.second.id, probability=95)

        def act(user):
            leads = (lead | other).with_user(user).sudo()
            found = leads.merge_opportunity(user_id=False)
            self.assertEqual(found, other)
            self.run_cron("file")
            return other

        return lead, act

    def record_cell(self, act, level, is_own):
        lead, prepared = getattr(self, act)()
        box = self.by_hand(lead, level)
        record = prepared(self.anna if is_own else self.ben)
        before = self.posts(record)
        self.again(box, record)
        after = self.posts(record) - before
        offers = self.offers(box)
        self.assertEqual(len(after), is_own and level in SHARED)
        if is_own or level not in SHARED:
            self.assertFalse(offers)
            return
        self.assertEqual((offers.kind, offers.actor_id), ("record", self.ben))
        offers.with_user(self.anna).action_share()
        self.run_cron("file")
        self.assertEqual(len(self.posts(record) - before), 1)

    def rule(self, model="crm.lead"):
        rules = self.env["gmail.link.rule"].with_user(self.admin)
        model = self.env["ir.model"]._get_id(model)
        return rules.create({"name": "Ticket #[{digits}]", "model_id": model})

    def numbered(self, box, lead, is_sent=False):
        """Return whether an email with the number 42 is on a lead."""
        self.env.flush_all()
        body = f"Number {self.number}"
        subject = f"Ticket #42, {self.number}"
        if is_sent:
            self.number += 1
            raw = mail(
                sender=f"Anna <{ANNA}>",
                to="x@stranger-example.test",
                Message_ID=f"<{self.number}@corp-example.test>",
                subject=subject,
                body=body,
            )
            self.google.add_message(ANNA, raw, labels=["SENT"])
            box.next_sync = "2020-01-01"
            self.run_cron("sync_1")
            self.run_cron("file")
        else:
            self.mail(box, subject=subject, body=body)
        return body in str(lead.sudo().message_ids.mapped("body"))

    # What makes a rule find a record, by act.

    def created(self):
        return lambda user: self.lead(user, name="42", email_from=DORA)

    def renamed(self):
        lead = self.lead(name="41", email_from=DORA)
        return lambda user: self.written(lead, user, name="42")

    def addressed(self):
        lead = self.lead(name="42")
        return lambda user: self.written(lead, user, email_from=DORA)

    def followed(self):
        lead, dora = self.lead(name="42"), self.dora(email=DORA)
        self.long_ago()

        def act(user):
            lead.with_user(user).sudo().message_subscribe(dora.ids)
            return lead

        return act

    def posted(self):
        lead, dora = self.lead(name="42"), self.dora(email=DORA)
        self.long_ago()

        def act(user):
            post = (
                lead.with_user(user)
                .sudo()
                .message_post(
                    body="Hi",
                    partner_ids=dora.ids,
                    message_type="comment",
                    subtype_xmlid="mail.mt_comment",
                )
            )
            # The moment of its transaction, which here is that of the whole test.
            self.env.flush_all()
            self.env.cr.execute(
                "UPDATE mail_message SET create_date = clock_timestamp()"
                " AT TIME ZONE 'UTC' WHERE id = %s",
                [post.id],
            )
            return lead

        return act

    def contact_addressed(self):
        person = self.dora(email="other@else-example.test")
        lead = self.lead(name="42", partner_id=person.id)
        self.long_ago()

        def act(user):
            person.with_user(user).sudo().email = DORA
            return lead

        return act

    def written(self, lead, user, **values):
        lead.with_user(user).sudo().write(values)
        return lead

    def test_decoys(self):
        rule = self.rule()
        for act in (
            "created",
            "renamed",
            "addressed",
            "followed",
            "posted",
            "contact_addressed",
        ):
            for user in (self.ben, self.anna):
                with self.subTest(act=act, user=user.name):
                    self.number = 0
                    prepared = getattr(self, act)()
                    box = self.choose("everything")
                    lead = prepared(user)
                    is_own = user == self.anna
                    self.assertEqual(self.numbered(box, lead), is_own)
                    offers = self.offers(box)
                    self.assertEqual(bool(offers), not is_own)
                    if act != "contact_addressed" and not is_own:
                        self.assertEqual(offers.way, f"rule:{rule.id}:{self.ben.id}")
                        self.assertEqual(offers.actor_id, self.ben)
                        self.assertIn("Ticket", offers.with_user(self.anna).reason)
                    box._delete()
                    lead.sudo().unlink()
                    self.env["res.partner"].search([("email", "=", DORA)]).unlink()
                    self.google.control("settings", {"reset": True})

    def test_a_decoy_for_sent_email(self):
        self.rule()
        box = self.choose("everything")
        lead = self.lead(self.ben, name="42")
        self.assertFalse(self.numbered(box, lead, is_sent=True))
        self.assertEqual(self.offers(box).actor_id, self.ben)

    def test_records_before_the_choice_are_covered(self):
        self.rule()
        lead = self.lead(self.ben, name="42", email_from=DORA)
        box = self.choose("everything")
        self.assertTrue(self.numbered(box, lead))
        # Neither does an ordinary change ask.
        lead.with_user(self.ben).sudo().priority = "2"
        self.assertTrue(self.numbered(box, lead))
        self.assertFalse(self.offers(box))

    def test_one_question_for_all_records_of_a_user(self):
        self.rule()
        box = self.choose("everything")
        leads = [
            self.lead(self.ben, name=str(n), email_from=DORA) for n in range(50, 53)
        ]
        self.env.flush_all()
        for lead in leads:
            self.mail(box, subject=f"Ticket #{lead.name}")
        [offer] = self.offers(box)
        offer.with_user(self.anna).action_share()
        self.run_cron("file")
        self.assertEqual([len(self.posts(lead)) for lead in leads], [1, 1, 1])
        lead = self.lead(self.ben, name="42", email_from=DORA)
        self.assertTrue(self.numbered(box, lead))
        # But not of another user.
        lead.with_user(self.admin).sudo().name = "43"
        lead.with_user(self.admin).sudo().name = "42"
        self.assertFalse(self.numbered(box, lead))
        self.assertEqual(len(self.offers(box)), 2)

    def test_of_two_with_a_name_none_is_linked(self):
        self.rule()
        lead = self.lead(name="42", email_from=DORA)
        twin = self.lead(name="42", email_from=DORA)
        box = self.choose("everything")
        self.assertFalse(self.numbered(box, lead))
        self.assertFalse(self.posts(twin))
        thread = self.thread(box).with_user(self.anna)
        self.assertEqual(set(thread.sudo().link_ids.mapped("reason")), {"several"})
        reasons = [x["reason"] for x in thread.panel_documents()["suggestions"]]
        self.assertIn("several records have this name", reasons[0])


_tests(TestRecords, ("moved", "merged"), "record_cell")


@tagged("standard", "post_install", "-at_install")
class TestAdministrators(OffersCase):
    """What administrators, and colleagues who leave, change for all."""

    def parameters(self):
        return self.env["ir.config_parameter"].with_user(self.admin)

    def test_exclusions_of_several_users(self):
        for owner, act in ((False, "create"), (self.ben, "unlink")):
            with self.subTest(act=act):
                dora = self.dora(email=DORA)
                exclusions = self.env["gmail.exclusion"]
                everybodys = exclusions.create({"pattern": DORA})
                bens = owner and exclusions.create(
                    {"pattern": DORA, "user_id": owner.id}
                )
                self.long_ago()
                box = self.choose("everything")
                everybodys.with_user(self.admin).sudo().unlink()
                if bens:
                    bens.with_user(self.ben).sudo().unlink()
                else:
                    mine = self.env["gmail.exclusions"].with_user(self.ben)
                    mine._exclude(mine._pattern(DORA), self.ben)
                self.mail(box)
                self.assertFalse(self.posts(dora))
                [offer] = self.offers(box)
                self.assertEqual((offer.name, offer.actor_id), (DORA, self.admin))
                box._delete()
                dora.unlink()
                exclusions.search([]).unlink()
                self.google.control("settings", {"reset": True})

    def test_the_maximum_among_the_system_parameters(self):
        key = "gmail_oauth_mailbox.max_sharing_level"
        box = self.choose("everything")
        for raise_it in ("set_param", "write", "unlink"):
            with self.subTest(act=raise_it):
                self.parameters().set_param(key, "metadata")
                self.run_cron("file")
                self.assertEqual(box.sharing_level, "metadata")
                parameter = self.parameters().search([("key", "=", key)])
                if raise_it == "set_param":
                    parameter.set_param(key, False)
                elif raise_it == "write":
                    parameter.value = "everything"
                else:
                    parameter.unlink()
                self.assertEqual(box.sharing_level, "metadata")
                [offer] = self.offers(box)
                self.assertEqual((offer.kind, offer.state), ("limit", "asked"))
                self.assertEqual(offer.actor_id, self.admin)
                offer.with_user(self.anna).action_share()
                self.assertEqual(box.sharing_level, "everything")

    def internal(self, end, actor=None):
        """Have an email be internal until ``end()``; then neither it nor a later one is
        shared unless the owner agrees."""
        dora = self.dora(email=DORA)
        self.long_ago()
        box = self.choose("everything")
        self.mail(box, body="one")
        self.assertFalse(self.posts(dora))
        end()
        self.env.flush_all()
        self.run_cron("file")
        self.mail(box, body="two")
        keys = self.thread(box).message_ids.mapped("mail_key")
        self.env["gmail.linking"]._enqueue(set(keys))
        self.run_cron("file")
        self.assertFalse(self.posts(dora))
        [offer] = self.offers(box)
        self.assertEqual(offer.kind, "own")
        if actor:
            self.assertEqual(offer.actor_id, actor)
        offer.with_user(self.anna).action_share()
        self.run_cron("file")
        bodies = str(self.posts(dora).mapped("body"))
        self.assertIn("two", bodies)
        self.assertNotIn("one", bodies)

    def test_an_own_domain_is_released(self):
        key = "gmail_oauth_mailbox.own_domains"
        self.parameters().set_param(key, "dora-example.test")
        self.internal(lambda: self.parameters().set_param(key, False), self.admin)

    def test_an_alias_domain_is_renamed(self):
        domains = self.env["mail.alias.domain"]
        domain = domains.create({"name": "dora-example.test"})
        self.internal(lambda: domain.write({"name": "elsewhere-example.test"}))

    def test_a_colleague_deletes_their_mailbox(self):
        self.google.control(
            "accounts", {"action": "add", "email": DORA, "name": "Dora"}
        )
        other = self.connect(self._user("gmail_dora", "Dora", "d@else.test"), DORA)
        self.internal(other._delete)

    def test_a_colleague_leaves_their_login(self):
        user = self._user("gmail_dora", "Dora", "d@else.test")
        user.login = DORA
        self.internal(lambda: user.write({"login": "gone"}))

    def test_the_owner_gets_a_company(self):
        second = self.env["res.company"].create({"name": "Second"})
        for user in (self.admin, self.anna):
            with self.subTest(user=user.name):
                self.number = 0
                self.anna.company_ids -= second
                dora = self.dora(email=DORA, company_id=second.id)
                self.long_ago()
                box = self.choose("everything")
                self.anna.with_user(user).sudo().company_ids += second
                self.mail(box)
                self.assertEqual(len(self.posts(dora)), user == self.anna)
                self.assertEqual(self.offers(box).actor_id, user - self.anna)
                if user == self.admin:
                    offer = self.offers(box).with_user(self.anna)
                    self.assertIn("Second", offer.question + offer.reason)
                    offer.action_share()
                    self.run_cron("file")
                    self.assertEqual(len(self.posts(dora)), 1)
                box._delete()
                dora.unlink()
                self.google.control("settings", {"reset": True})
