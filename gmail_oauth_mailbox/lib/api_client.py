"""What all of Google's APIs have in common: requests that google-api-python-client
builds from the discovery documents it ships, sent through ``transport``; the token that
is renewed once; the quota that a call costs."""

import functools
import json

from googleapiclient import discovery_cache
from googleapiclient.discovery import build_from_document
from googleapiclient.errors import HttpError

from . import errors
from .transport import ApiHttp


class _NoHttp:
    """Takes the place of an http object while requests are only built."""

    def request(self, *_args, **_kwargs):
        raise RuntimeError("requests are sent with a client's own http object")


@functools.lru_cache(maxsize=8)
def _service(api, root):
    """Return an API at ``root``; it is shared by all threads."""
    document = json.loads(discovery_cache.get_static_doc(api, "v1"))
    # api_endpoint alone leaves uploads at https, whatever the endpoint's scheme.
    document["rootUrl"] = root
    return build_from_document(
        document, http=_NoHttp(), client_options={"api_endpoint": root}
    )


@functools.lru_cache(maxsize=32)
def resource(api, root, *path):
    """Return a resource such as users().messages(); making one takes a while.

    :param api: name of the API in the discovery documents, such as ``gmail``
    """
    found = _service(api, root)
    for name in path:
        found = getattr(found, name)()
    return found


class _NoMeter:
    """Counts nothing and lets everything pass."""

    def take(self, units, least=None):
        return units

    def give_back(self, units):
        """Nothing was taken."""

    def told(self, error):
        """Nobody else has to know."""


class ApiClient:
    """Calls one of Google's APIs for one account.

    :param access_token: valid now
    :param renew: called without arguments when Google rejects the token; returns
        another one
    :param meter: has ``take(units, least)``, ``give_back(units)`` and
        ``told(error)``; see GmailClient
    """

    def __init__(self, transport, access_token, renew=None, meter=None):
        self._transport = transport
        self._access_token = access_token
        self._renew = renew
        self._meter = meter or _NoMeter()

    def _units_of(self, method_id):
        """Return the quota units of a method."""
        return 0

    def _call(self, request):
        """Send a request of google-api-python-client; return its JSON as a dict."""
        try:
            return self._call_once(request)
        except errors.AccessTokenRejected as error:
            self._renew_token(error)
        try:
            return self._call_once(request)
        except errors.AccessTokenRejected as error:
            raise self._rejected_twice(error) from error

    def _call_once(self, request):
        units = self._units_of(request.methodId)
        self._meter.take(units)
        try:
            answer = request.execute(http=ApiHttp(self._transport, self._access_token))
        except HttpError as error:
            refusal = errors.from_response(
                request.methodId, int(error.resp.status), error.resp, error.content
            )
            if is_free(refusal):
                self._meter.give_back(units)
            if isinstance(refusal, errors.RetryLater):
                self._meter.told(refusal)
            raise refusal from None
        except (ValueError, RecursionError):
            answer = None
        if isinstance(answer, dict):
            return answer
        kind = errors.RetryLater
        if request.methodId == errors.SEND:
            kind = errors.Unreachable
        elif request.methodId in errors.ITEM_METHODS:
            kind = errors.BadItem
        raise kind("Google's answer is not readable", kind="unreadable")

    def _renew_token(self, error):
        if self._renew is None:
            raise error
        self._access_token = self._renew()

    @staticmethod
    def _rejected_twice(error):
        return errors.ReconnectNeeded(
            "Google rejects a fresh access token",
            status=error.status,
            reason=error.reason,
            kind="rejected",
        )


def is_free(error):
    """Whether Google, which refused a call, did not charge for it."""
    return 400 <= error.status < 500
