"""Tokens of known shape that a log format has cut off: `'sk_live_51Hx7Q…'`, `'AKIAQ3EGB7T...'`.

Cut, they have no length to know them by, but a prefix, and dots behind them.
"""

from __future__ import annotations

import string

from resilient.diagnostics.masking.patterns import lazy
from resilient.diagnostics.masking.rule import MASK, is_allowed

# Prefixes that nothing else has. Vendors themselves show fewer than eight signs behind them.
_PREFIX = lazy(
    r"(?:A(?:KIA|SIA|Iza)|[sr]k_(?:live|test)_|whsec_|gh[pousr]_|github_pat_|gl(?:pat|rt|ptt|dt)-"
    r"|xox[abeoprs]-|xapp-|SG\.|SK(?=[0-9a-f]{8})|sk-(?:ant-|proj-|svcacct-|admin-|or-v1-)?"
    r"|npm_|pypi-|hf_|gsk_|xai-|hv[sb]\.|ya29\.|1//0|GOCSPX-|do[opr]_v1_|shp(?:at|ca|pa|ss)_"
    r"|dckr_(?:pat|oat)_|ABSK|LTAI|AT[AC]TT3|dapi|NR(?:AK|II)-|PMAK-|pscale_(?:tkn|pw|oauth)_"
    r"|lin_(?:api|oauth)_|ntn_|secret_|sq0[a-z]{3}-|EAAA|EAA(?=[A-Za-z0-9]{40})|sbp_|figd_|gl(?:sa|c)_"
    r"|AQVN|y0_|rdme_|tskey-|CCIPAT_|FLWSECK|x(?:key|smtp)sib-|key-|tfp_|dp\.(?:pt|st)\.|duffel_"
    r"|EZ[AT]K|pul-|r8_|rubygems_|sntry[us]_|ph[xs]_|lsv2_|nvapi-|pplx-|tgp_v1_|pcsk_|napi_|csk-"
    r"|CFPAT-|fio-u-|pdl_|klarna_|mlsn\.|FwoGZXIvYXdz|IQoJb3JpZ2lu|AGE-SECRET-KEY-1|eyJ(?=[\w=-]{8}))"
    r"(?=[\w.=/+-]{0,64}[0-9])(?=[\w.=/+-]{8})"
)
_DOTS = lazy(r"\.{3}|…|\\{1,15}(?:u2026|xe2\\{1,15}x80\\{1,15}xa6)")
_SIGNS = string.ascii_letters + string.digits + "_-.=/+"
_LONGEST = 1024


def may_be_shortened(text: str) -> bool:
    """Was anything cut off?"""
    is_escaped = "\\" in text and ("u2026" in text or "xe2" in text)
    return is_escaped or "..." in text or "…" in text


def without_shortened(text: str) -> str:
    """The text without what is left of tokens."""
    parts: list[str] = []
    done = seen = 0
    for dots in _DOTS.finditer(text):
        at = dots.start()
        # No sign is looked at twice, however many dots there are.
        before = text[max(seen, at - _LONGEST) : at]
        seen = dots.end()
        begin = at - len(before) + len(before.rstrip(_SIGNS))
        found = _PREFIX.search(text, begin, at)
        while found is not None and text[found.start() - 1 : found.start()].isalnum():
            found = _PREFIX.search(text, found.end(), at)
        if found is not None and not is_allowed(text[found.start() : at]):
            parts += (text[done : found.start()], MASK)
            done = at
    return "".join((*parts, text[done:])) if parts else text
