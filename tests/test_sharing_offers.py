"""Acts of others that would share more of later email are offered to the owner first:
act, actor, and level, in a table."""

from odoo.exceptions import AccessError
from odoo.tests import tagged

from .common import ANNA
from .test_linking import CARLA, PASS, LinkingCase

DORA = "dora@dora-example.test"
PASS_DORA = PASS.replace("customer-example", "dora-example").replace(
    "carla.roth", "dora"
)
SHARED = ("metadata", "subject", "everything")
LEVELS = (False, "nobody", *SHARED)


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
        "own_domains",
        "exclusion_withdrawn",
    )

    def cell(self, act, level, is_own):
        prepared = getattr(self, act)()
        self.long_ago()
        box = self.choose(level)
        record = prepared(self.anna if is_own else self.admin)
        self.env.flush_all()
        self.mail(box, subject="On WA42" if act == "subject_rule" else "Walnut")
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
        self.mail(box, subject="On WA42" if act == "subject_rule" else "Walnut")
        self.assertEqual(self.offers(box), offers)
        self.assertFalse(self.posts(record))
        offers.with_user(self.anna).action_share()
        self.run_cron("file")
        self.assertEqual(len(self.posts(record)), 2)
        self.assertFalse(offers.activity_id)


def _tests():
    """Give the class a test for each cell of the table."""
    for act in TestOffers.ACTS:
        for level in LEVELS:
            for is_own in (True, False):
                who = "owner" if is_own else "another"

                def test(self, act=act, level=level, is_own=is_own):
                    self.cell(act, level, is_own)

                name = f"test_{act}_by_{who}_at_{level or 'unset'}"
                test.__name__ = name
                setattr(TestOffers, name, test)


_tests()


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
        offer.with_user(self.anna).action_share()
        self.assertEqual(box.sharing_level, "subject")
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
