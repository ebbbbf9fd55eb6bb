"""What services that open incidents are told, as apprise itself reads their URLs."""

from __future__ import annotations

from typing import Any

import apprise
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.telling.incidents import NOT_RESOLVED, PROMOTION, address, left_out

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

HEX = "0123456789abcdef0123456789abcdef"
UUID = "01234567-89ab-cdef-0123-456789abcdef"

RESOLVING = {
    "pagerduty://KEY@API/source": ("trigger", "resolve", "dedup"),
    "pagertree://int_0123456789": ("create", "resolve", "thirdparty"),
    f"squadcast://{HEX}": ("trigger", "resolve", "dedup"),
    "signl4://secret": ("trigger", "resolve", "external_id"),
    f"ilert://{HEX}": ("trigger", "resolve", "dedup"),
    f"incidentio://{HEX}/01JABCDEFGHJKMNPQRSTVWXYZ0": ("trigger", "resolve", "dedup"),
    f"goalert://{UUID}@127.0.0.1": ("trigger", "close", "dedup"),
    "splunk://route@ABCDEFGH": ("critical", "recovery", "entity_id"),
}
"""URL -> its actions, and the plugin's attribute of the key."""

UNRESOLVED = [
    "spike://" + HEX,
    f"opsgenie://{UUID}",
    "betterstack://abcdefghijklmnopqrstuvwx/a@example.com",
]


def plugin(url: str) -> Any:
    """Return apprise's plugin for a URL."""
    found = apprise.Apprise.instantiate(url)
    assert found is not None, url
    return found


@pytest.mark.parametrize("url", RESOLVING)
def test_an_alarm_and_its_end_have_the_actions_and_one_key(url: str) -> None:
    """Apprise reads them out of the URL; odd characters in the key arrive."""
    opens, resolves, attribute = RESOLVING[url]
    schemes, key = plugin(url).schemas(), "modelfile-tuner a/b:c?&=% é"
    found = [plugin(address(url, schemes, does, key)) for does in ("opens", "resolves")]

    assert [f.action for f in found] == [opens, resolves]
    assert [getattr(f, attribute) for f in found] == [key, key]
    assert left_out(schemes, "opens") is left_out(schemes, "resolves") is None
    assert left_out(schemes, "tells") == PROMOTION


@pytest.mark.parametrize("url", UNRESOLVED)
def test_where_nothing_can_be_resolved_an_all_clear_is_not_sent(url: str) -> None:
    """It would open a second incident."""
    schemes = plugin(url).schemas()

    assert left_out(schemes, "opens") is None
    assert left_out(schemes, "resolves") == NOT_RESOLVED
    assert left_out(schemes, "tells") == PROMOTION


def test_a_service_s_own_url_is_known_for_what_it_is() -> None:
    """As its page shows it, with https."""
    url = f"https://api.squadcast.com/v2/incidents/api/{HEX}"
    found = plugin(address(url, plugin(url).schemas(), "resolves", "key"))

    assert (found.action, found.dedup) == ("resolve", "key")


@pytest.mark.parametrize("does", ["tells", "opens", "resolves"])
def test_services_without_incidents_are_told_everything(does: Any) -> None:
    """With the URL as it is."""
    url = "json://127.0.0.1/?action=x"
    schemes = plugin(url).schemas()

    assert left_out(schemes, does) is None
    assert address(url, schemes, does, "key") == url


def test_what_a_url_says_itself_stays_but_for_what_is_set_here() -> None:
    """Names count whatever their case is."""
    url = "pagerduty://KEY@API?region=eu&Action=trigger&dedup=mine"
    found = address(url, {"pagerduty"}, "resolves", "ours")

    assert found == "pagerduty://KEY@API?region=eu&action=resolve&dedup=ours"


@given(st.text(st.characters(codec="utf-8"), min_size=1).map(str.strip).filter(bool))
def test_any_key_arrives(key: str) -> None:
    """As far as apprise keeps it: without blanks around it."""
    url = "pagerduty://KEY@API"
    found = plugin(address(url, {"pagerduty"}, "opens", key))

    assert found.dedup == key.strip()
