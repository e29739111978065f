"""Break each point of OAuth security and of sharing in the code, and see its test fail.

    python tests/break_points.py [POINT …]

A break replaces one piece of text in one file, runs the test that is named for it, and
puts the text back, whether or not it is committed. All of them take about ten minutes;
test_break_points.py checks in every run that each text and each test is still there.
"""

import pathlib
import re
import subprocess
import sys
from dataclasses import dataclass

ROOT = pathlib.Path(__file__).resolve().parent.parent
ADDON = "gmail_oauth_mailbox"
POINTS = "tests/test_oauth_points.py::TestOauthPoints::test_"
WIRE = "tests/test_lib_wire.py::test_point_22_"
REAL = "tests/test_real_transactions.py::test_"
DECISIONS = "tests/test_lib_sharing_decisions.py::test_"
ATTACKS = "tests/test_sharing_attacks.py::TestForgedCopies::test_"


@dataclass(frozen=True)
class Break:
    """One way to break a point.

    :ivar path: below the addon
    :ivar old: occurs once in the file
    :ivar test: node id that fails then
    """

    point: str
    what: str
    path: str
    old: str
    new: str
    test: str


CONNECT, OAUTH = "services/gmail_connect.py", "services/gmail_oauth.py"
SETUP, LIB = "services/gmail_setup.py", "lib/oauth.py"
SHARING = "lib/rules/sharing.py"
BREAKS = (
    Break(
        "1",
        "the state follows from the attempt's id",
        CONNECT,
        "state, nonce = secrets.token_urlsafe(32), secrets",
        "state, nonce = self._hash(str(attempt.id)), secrets",
        f"{POINTS}01_state_cannot_be_guessed",
    ),
    Break(
        "2",
        "a state that was used is taken again",
        CONNECT,
        "WHERE state_hash = %s AND status = 'started'",
        "WHERE state_hash = %s",
        f"{POINTS}02_state_is_used_once",
    ),
    Break(
        "3",
        "the browser session is not compared",
        CONNECT,
        'hmac.compare_digest(self._hash(session_secret), attempt.session_hash or "")',
        "bool(session_secret)",
        f"{POINTS}03_state_is_bound_to_session_and_user",
    ),
    Break(
        "3",
        "the user is not compared",
        CONNECT,
        "and attempt.user_id.id == session.uid",
        "and bool(session.uid)",
        f"{POINTS}03_state_is_bound_to_session_and_user",
    ),
    Break(
        "4",
        "a state never ends",
        CONNECT,
        "AND expires_at > clock_timestamp() AT TIME ZONE 'UTC'",
        "",
        f"{POINTS}04_state_ends_after_ten_minutes",
    ),
    Break(
        "5",
        "every attempt has the same verifier",
        CONNECT,
        "verifier = oauth.new_verifier()",
        'verifier = "v" * 43',
        f"{POINTS}05_pkce_ties_the_code_to_its_attempt",
    ),
    Break(
        "6",
        "the second leg names another redirect URI than the first",
        OAUTH,
        "redirect_uri=attempt.redirect_uri",
        "redirect_uri=setup._redirect_uri()",
        f"{POINTS}06_redirect_uri_is_exact_and_from_a_fixed_base",
    ),
    Break(
        "7",
        "the issuer of the answer is not looked at",
        CONNECT,
        'if params.get("iss") not in (None, "", *oauth.ISSUERS):',
        "if False:",
        f"{POINTS}07_issuer_of_the_answer",
    ),
    Break(
        "8",
        "issuer and audience of the id_token are not looked at",
        LIB,
        'if claims.get("iss") not in ISSUERS or claims.get("aud") != client_id:',
        "if False:",
        f"{POINTS}08_identity_is_proved",
    ),
    Break(
        "8",
        "the nonce is not compared",
        LIB,
        'str(claims.get("nonce") or "").encode(), str(nonce or "").encode()',
        'b"", b""',
        f"{POINTS}08_identity_is_proved",
    ),
    Break(
        "9",
        "whichever account was picked is connected",
        CONNECT,
        "if attempt.mailbox_id or oauth.same_address(identity.email, attempt.email):",
        "if True:",
        f"{POINTS}09_account_is_the_one_that_was_meant",
    ),
    Break(
        "10",
        "sending counts as granted",
        CONNECT,
        '"can_send": oauth.SCOPE_SEND in scopes',
        '"can_send": True',
        f"{POINTS}10_granted_scopes_are_what_counts",
    ),
    Break(
        "11",
        "a missing refresh token is not noticed",
        CONNECT,
        "if not tokens.lasting:",
        "if False:",
        f"{POINTS}11_missing_refresh_token",
    ),
    Break(
        "12",
        "an error in the answer is not looked at",
        CONNECT,
        'if params.get("error"):',
        "if False:",
        f"{POINTS}12_an_error_in_the_answer_breaks_and_leaks_nothing",
    ),
    Break(
        "13",
        "full access to mail is asked for",
        SETUP,
        "            oauth.SCOPE_SEND,\n",
        '            oauth.SCOPE_SEND,\n            "https://mail.google.com/",\n',
        f"{POINTS}13_least_privilege",
    ),
    Break(
        "14",
        "access tokens are stored in clear",
        OAUTH,
        '"access_token": cipher.seal(tokens.access_token, context=context),\n'
        '            "access_token_expiry"',
        '"access_token": tokens.access_token,\n            "access_token_expiry"',
        f"{POINTS}14_tokens_are_encrypted_at_rest",
    ),
    Break(
        "14",
        "a ciphertext opens in any row",
        "lib/crypto.py",
        'if content.get("v") != VERSION or not hmac.compare_digest(',
        'if content.get("v") != VERSION or False and not hmac.compare_digest(',
        f"{POINTS}14_tokens_are_encrypted_at_rest",
    ),
    Break(
        "15",
        "the client secret is taken from the database only",
        SETUP,
        'return self._server_secret() or self._param("google_gmail_client_secret")',
        'return self._param("google_gmail_client_secret")',
        f"{POINTS}15_client_secret_can_stay_out_of_the_database",
    ),
    Break(
        "16",
        "the token to revoke goes into the address",
        LIB,
        'transport.request("POST", endpoints.revoke, data={"token": token})',
        'transport.request("POST", f"{endpoints.revoke}?token={token}")',
        f"{POINTS}16_no_token_in_any_address",
    ),
    Break(
        "17",
        "the access log keeps the callback's query",
        "log_filters.py",
        "if CALLBACK in message:",
        "if False:",
        f"{POINTS}17_nothing_secret_in_the_log",
    ),
    Break(
        "18",
        "disconnecting revokes nothing",
        OAUTH,
        "if credential.refresh_token and not self._others_of(mailbox):",
        "if False:",
        f"{POINTS}18_revoked_at_google_when_it_ends",
    ),
    Break(
        "19",
        "a dead grant is tried again for ever",
        "services/gmail_scheduler.py",
        'values["state"] = "reconnect"',
        'values["failure_count"] = failures',
        f"{POINTS}19_a_dead_grant_and_a_busy_google_are_told_apart",
    ),
    Break(
        "20",
        "the row is not locked while the token is renewed",
        OAUTH,
        'FROM gmail_credential WHERE id = %s FOR UPDATE\n                """',
        'FROM gmail_credential WHERE id = %s\n                """',
        f"{REAL}point_20_renewals_are_one_at_a_time",
    ),
    Break(
        "21",
        "anybody presses the buttons of a mailbox",
        "models/gmail_mailbox.py",
        "if self.user_id != self.env.user:",
        "if False:",
        f"{POINTS}21_only_the_owner",
    ),
    Break(
        "21",
        "whose mailbox it is, is not looked at when the answer comes",
        CONNECT,
        "if mailbox and mailbox.user_id != attempt.user_id:",
        "if False:",
        f"{POINTS}21_only_the_owner",
    ),
    Break(
        "22",
        "redirects are followed",
        "lib/transport.py",
        "allow_redirects=False",
        "allow_redirects=True",
        f"{WIRE}redirects_are_not_followed",
    ),
    Break(
        "22",
        "an answer may take for ever",
        "lib/transport.py",
        "timeout=self._read_timeout",
        "timeout=None",
        f"{WIRE}silence_and_slow_drips_end",
    ),
    Break(
        "22",
        "Google is asked without TLS",
        LIB,
        'token="https://oauth2.googleapis.com/token"',
        'token="http://oauth2.googleapis.com/token"',
        f"{WIRE}real_endpoints_are_googles_over_tls",
    ),
    Break(
        "beyond",
        "of two answers at once, both are taken",
        CONNECT,
        "SET status = 'claimed'\n                     WHERE state_hash = %s AND"
        " status = 'started'",
        "SET status = status\n                     WHERE state_hash = %s AND"
        " status = 'started'",
        f"{REAL}an_answer_that_comes_twice_at_once_is_used_once",
    ),
    Break(
        "beyond",
        "internal users may read the rows of tokens",
        "security/ir.model.access.csv",
        "model_gmail_credential,,0,0,0,0",
        "model_gmail_credential,base.group_user,1,0,0,0",
        "tests/test_access.py::TestAccess::test_secrets_are_for_nobody",
    ),
    Break(
        "beyond",
        "the pages of the road tell where one comes from",
        "controllers/oauth.py",
        '("Referrer-Policy", "no-referrer"), ',
        "",
        f"{POINTS[:-5]}test_pages_of_the_road_give_no_referrer",
    ),
    Break(
        "beyond",
        "one account is connected by two users",
        CONNECT,
        "if other:",
        "if False:",
        f"{REAL}one_account_goes_to_one_of_two_users",
    ),
    Break(
        "beyond",
        "a copy of the database acts",
        "services/gmail_keys.py",
        "if self._is_copy():\n            raise",
        "if False:\n            raise",
        "tests/test_copied_database.py::test_a_plain_copy",
    ),
    Break(
        "beyond",
        "an account that was picked by mistake stays connected at Google",
        OAUTH,
        'for attempt in attempts.filtered("refresh_token"):',
        "for attempt in attempts.browse():",
        "tests/test_connecting.py::TestConnecting::"
        "test_the_account_that_was_picked_can_be_let_go",
    ),
    Break(
        "sharing",
        "a copy is shown though its own mailbox chose nothing",
        SHARING,
        "    level = copy.level\n    if not level:\n        return False\n",
        '    level = copy.level or "everything"\n',
        f"{DECISIONS}a_record_never_shows_more_of_a_copy_than_its_own_choice_allows",
    ),
    Break(
        "sharing",
        "any mailbox that holds a copy restrains it",
        SHARING,
        "return copy.by_list or not choice.addresses.isdisjoint(copy.people)",
        "return True",
        f"{DECISIONS}a_mailbox_that_a_copy_does_not_name_changes_nothing_of_it",
    ),
    Break(
        "sharing",
        "a copy that differs replaces another",
        SHARING,
        "        first, *others = sorted(left, key=_position) or [None]\n",
        "        first, *others = sorted(left, key=_position)[:1] or [None]\n",
        f"{DECISIONS}an_answer_of_another_mailbox_decides_nothing_about_a_copy",
    ),
    Break(
        "sharing",
        "a banner or a footer makes another email",
        "lib/rules/same_email.py",
        "    return _without_footer(_without_banner(text))",
        "    return text",
        "tests/test_lib_same_email.py::test_what_servers_add_makes_no_other_email",
    ),
    Break(
        "sharing",
        "the order of arrival decides which copy is shown",
        SHARING,
        "        _standing(copy),\n        copy.id or 0,\n",
        "        _standing(copy),\n",
        f"{DECISIONS}any_order_decides_the_same",
    ),
    Break(
        "sharing",
        "the label SENT vouches for any sender",
        "services/gmail_store.py",
        "mailbox_key(from_email) in map(mailbox_key, mailbox._addresses())\n",
        "True\n",
        f"{ATTACKS}the_label_sent_vouches_for_nobody_else",
    ),
    Break(
        "sharing",
        "a colleague is the author of a copy in another mailbox",
        "services/linking/chatter.py",
        "is_known = partner.partner_share and not partner.gmail_is_private",
        "is_known = not partner.gmail_is_private",
        f"{ATTACKS}a_colleague_is_the_author_of_their_own_copy_alone",
    ),
    Break(
        "sharing",
        "an answer is posted though its owner shares with nobody",
        SHARING,
        'if copy.level == "nobody" and not place.is_wanted:',
        "if False:",
        f"{DECISIONS}answers_are_posted_unless_nobody_shall_see_them",
    ),
    Break(
        "sharing",
        "an answer to a colleague's email counts as one to Odoo's",
        "lib/rules/answers.py",
        "copy.is_own or (copy.is_outside and copy.senders & email.recipients)",
        "True",
        "tests/test_lib_answers.py::test_every_step_leads_to_odoos_email",
    ),
    Break(
        "sharing",
        "a stranger answers what Odoo sent to another person",
        "lib/rules/answers.py",
        "return bool(email and senders & email.recipients)",
        "return bool(email)",
        "tests/test_lib_answers.py::test_who_answers",
    ),
    Break(
        "sharing",
        "an owner's other act opens what they declined",
        "lib/rules/consent.py",
        'if answer and answer.state == "declined":',
        'if answer and answer.state == "declined" and way and way.actor != owner:',
        "tests/test_lib_consent.py::test_own_acts_are_not_asked_about",
    ),
    Break(
        "sharing",
        "an own veto joins emails of other dates",
        SHARING,
        "any(other.date == copy.date for other in own)",
        "own",
        f"{DECISIONS}a_veto_joins_copies_of_one_mailbox_by_their_date",
    ),
    Break(
        "sharing",
        "acts of others share more without a question",
        "lib/rules/consent.py",
        "    return ASK\n",
        "    return OPEN\n",
        "tests/test_lib_consent.py::test_nothing_of_others_is_open_without_a_later_yes",
    ),
    Break(
        "sharing",
        "records that the owner cannot read are not counted",
        "services/gmail_documents.py",
        "self._people_with_access(named, len(places - readable))",
        "self._people_with_access(named, 0)",
        "tests/test_sharing_attacks.py::TestOneEntry::"
        "test_who_can_read_counts_records_that_the_owner_cannot_read",
    ),
    Break(
        "sharing",
        "an email at the gateway writes into a chatter",
        "services/linking/facade.py",
        "        return gateway.without_chatter(self.env, model, values)\n",
        "        return values\n",
        "tests/test_sharing_handed_in.py::TestPosts::"
        "test_it_brings_no_post_in_the_name_of_an_owner",
    ),
    Break(
        "sharing",
        "what the gateway does is the act of the user whom From names",
        "services/linking/facade.py",
        "        taken_in = gateway.handed_in(self.env)\n"
        "        if taken_in is None:\n            return self.env.user\n",
        "        taken_in = None\n"
        "        if taken_in is None:\n            return self.env.user\n",
        "tests/test_sharing_handed_in.py::TestActs::"
        "test_a_record_is_made_by_whoever_handed_the_email_in",
    ),
    Break(
        "sharing",
        "customers read entries",
        "models/mail_message.py",
        "        if self.env.user._is_internal():\n            return super()",
        "        if True:\n            return super()",
        "tests/test_sharing_handed_in.py::TestCustomers::test_they_read_no_entry",
    ),
    Break(
        "sharing",
        "users add recipients to what others posted",
        "models/mail_message.py",
        "any(post._gmail_differs(vals, OF_POSTER) for post in posts - own)",
        "False",
        "tests/test_sharing_handed_in.py::TestRecipients::"
        "test_others_posts_get_no_recipients",
    ),
    Break(
        "sharing",
        "a search of files looks behind their relations as superuser",
        "models/ir_attachment.py",
        "            domain = Domain(domain).map_conditions(self._gmail_with_rights)\n",
        "            domain = Domain(domain)\n",
        "tests/test_sharing_lookups.py::TestLookups::"
        "test_a_search_of_files_looks_behind_no_relation",
    ),
    Break(
        "sharing",
        "a record whose twin is renamed counts for old",
        "models/mail_thread.py",
        "_note_changed(self | twins)",
        "_note_changed(self)",
        "tests/test_sharing_lookups.py::TestMeanings::"
        "test_a_name_that_is_one_records_only",
    ),
    Break(
        "sharing",
        "the same words with other looks replace an entry",
        "services/linking/chatter.py",
        "            and looks.same_looks(\n",
        "            or looks.same_looks(\n",
        "tests/test_sharing_looks.py::TestLooks::"
        "test_the_same_words_with_other_looks_replace_no_entry",
    ),
)


def run(item):
    """Break one point; return whether its test failed, as it should."""
    path = ROOT / ADDON / item.path
    text = path.read_text(encoding="utf-8")
    assert text.count(item.old) == 1, f"{item.point}: {item.what}"
    path.write_text(text.replace(item.old, item.new), encoding="utf-8")
    try:
        done = subprocess.run(
            [ROOT / "dev", "test", item.test, "-q"],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
    finally:
        path.write_text(text, encoding="utf-8")
    # Its own test ran and failed; anything else proves nothing.
    name = item.test.rpartition("::")[2]
    return bool(re.search(rf"^(SUB)?FAILED.*::{name}\b", done.stdout, re.MULTILINE))


def main(wanted):
    survived = 0
    for item in BREAKS:
        if wanted and item.point not in wanted:
            continue
        failed = run(item)
        survived += not failed
        verdict = "its test fails" if failed else "NOBODY NOTICES"
        print(f"{item.point:>6}  {item.what}: {verdict}", flush=True)
    print(f"{survived} of them not noticed")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
