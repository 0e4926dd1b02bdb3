"""Tokens of tools that people work with."""

from __future__ import annotations

from resilient.diagnostics.masking.shapes.shape import UUID, E, Shape, shape, word

WORK: tuple[Shape, ...] = (
    word(
        "HubSpot token",
        "pat-",
        rf"pat-(?:na|eu|ap)\d-{UUID}",
        "developers.hubspot.com/docs/guides/apps/private-apps/overview",
    ),
    word(
        "Airtable token",
        "pat",
        r"pat[A-Za-z0-9]{14}\.[0-9a-f]{64}",
        "airtable.com/developers/web/guides/personal-access-tokens",
    ),
    word(
        "Notion token",
        "secret_ ntn_",
        r"(?:secret_[A-Za-z0-9]{43}|ntn_[A-Za-z0-9]{40,})",
        "developers.notion.com/page/changelog, September 2024",
    ),
    word(
        "Linear, Figma, Postman, Typeform, Contentful, Frame.io, ReadMe, Asana, ClickUp token",
        "lin_ figd_ figu_ PMAK- tfp_ CFPAT- fio-u- rdme_ pk_ 1/ 2/ 2%2",
        r"lin_(?:api|oauth)_[A-Za-z0-9]{32,}|fig[dour]r?_[\w-]{20,}"
        r"|PMAK-[0-9a-f]{24}-[0-9a-f]{34}|tfp_[\w.-]{40,}|CFPAT-[\w-]{43}"
        r"|fio-u-[\w-]{60,}|rdme_[a-z0-9]{70}|pk_\d{6,9}_[A-Z0-9]{32}"
        r"|[12](?:/|%2[Ff])\d{13,20}(?:(?:/|%2[Ff])\d{13,20})?(?::|%3[Aa])[0-9a-f]{32}",
        "linear.app/developers, developers.figma.com, learning.postman.com, "
        "www.typeform.com/developers, www.contentful.com/developers, developers.asana.com",
    ),
    word(
        "Dropbox, Facebook, Instagram, Firebase, X token",
        "sl. EAA IGQ :APA91 %3AAPA91 AAAAAAAAAA",
        r"sl\.(?:[bu]\.)?[\w-]{100,}|EAA[A-Za-z0-9]{60,}|IGQ[A-Za-z0-9][\w-]{80,}|A{20,30}[\w%]{40,}"
        r"|AAAA[\w-]{7}(?::|%3A)APA91[\w-]{80,}",
        "www.dropbox.com/developers/documentation, developers.facebook.com, docs.x.com, "
        "firebase.google.com/docs/cloud-messaging",
    ),
    word(
        "Salesforce session",
        "00D",
        r"00D[A-Za-z0-9]{12,15}(?:!|%21)[\w.]{40,}",
        "help.salesforce.com, OAuth 2.0 web server flow",
    ),
    word(
        "Harness token",
        "pat. sat.",
        r"[ps]at\.[\w-]{22}\.[0-9a-f]{24}\.[A-Za-z0-9]{20}",
        "developer.harness.io",
    ),
    word(
        "Adobe, Defined Networking, Octopus, MaxMind, Scalingo, Vercel, OpenShift and other token",
        "p8e- s-s4t2 dnkey- API- _mmk tk-us- sm_aat_ vcp_ vck_ sha256~",
        r"p8e-[A-Za-z0-9]{32}|s-s4t2(?:ud|af)-[0-9a-f]{64}"
        rf"|dnkey-[\w=-]{{26}}-[\w=-]{{52}}|API-(?=[A-Z]{{0,25}}\d)[A-Z0-9]{{25,27}}{E}"
        r"|[A-Za-z0-9]{6}_[A-Za-z0-9]{29}_mmk|tk-us-[\w-]{48}|sm_aat_[A-Za-z0-9]{16}"
        rf"|vc[pk]_[A-Za-z0-9]{{40,}}{E}|sha256~[\w-]{{43}}",
        "developer.adobe.com, api.intra.42.fr, docs.defined.net, octopus.com"
        "/docs, dev.maxmind.com, developers.scalingo.com, vercel.com/docs, "
        "docs.openshift.com",
    ),
    shape(
        "Okta token",
        "SSWS",
        r"SSWS (?P<secret>[\w-]{30,})",
        "developer.okta.com/docs/guides/create-an-api-token",
    ),
)
