"""Tokens of infrastructure and observation."""

from __future__ import annotations

from resilient.diagnostics.masking.shapes.shape import UUID, E, Shape, shape, word

INFRASTRUCTURE: tuple[Shape, ...] = (
    word(
        "Vault token",
        "hvs. hvb. hvr. s.",
        # Without a digit, it has more capital letters than a name in a program.
        rf"hv[sbr]\.[\w-]{{24,}}|s\.(?=[A-Za-z]{{0,23}}\d|(?:[a-z]{{0,17}}[A-Z]){{7}})"
        rf"[A-Za-z0-9]{{24}}{E}",
        "developer.hashicorp.com/vault/docs/concepts/tokens",
    ),
    word(
        "Terraform Cloud token",
        ".atlasv1.",
        r"[A-Za-z0-9]{14}\.atlasv1\.[\w-]{60,70}",
        "developer.hashicorp.com/terraform/cloud-docs/users-teams-organizations/api-tokens",
    ),
    word(
        "Tailscale key",
        "tskey-",
        r"tskey-[a-z]{3,12}-\w{6,}-\w{16,}",
        "tailscale.com/kb/1277/key-prefixes",
    ),
    word(
        "token of a database as a service",
        "napi_ AVNS_",
        rf"napi_[a-z0-9]{{60,}}|AVNS_[\w-]{{16,}}{E}",
        "neon.com/docs/manage/api-keys, aiven.io/docs",
    ),
    word(
        "token of a code analyzer",
        "sgp_ sqp_ squ_ sqa_ ico- snyk_",
        r"sgp_(?:(?:[0-9a-f]{16}|local)_)?[0-9a-f]{40}|sq[pua]_[0-9a-f]{40}"
        rf"|ico-[A-Za-z0-9]{{32}}{E}|snyk_[a-z]{{2,6}}\.[\w.-]{{30,}}",
        "sourcegraph.com/docs/cli/how-tos/creating_an_access_token, "
        "docs.sonarsource.com/sonarqube/latest/user-guide/managing-tokens, www.infracost.io/docs",
    ),
    word(
        "Riot, Twitch, PostHog, Stytch, Mapbox, Intercom, Trello, Render, MailerSend, Datadog key",
        "RGAPI- oauth: phx_ phs_ secret- sk.eyJ tk.eyJ dG9rO ATTA rnd_ mlsn. ddapp_ ddpat_",
        rf"RGAPI-{UUID}|oauth:(?P<secret>[a-z0-9]{{30}}){E}|ph[xs]_[A-Za-z0-9]{{40,}}"
        r"|secret-(?:live|test)-[\w=-]{30,}|[st]k\.eyJ[\w-]{40,}\.[\w-]{20,}|dG9rO[\w+/-]{40,}=*|ATTA[0-9a-zA-Z]{60,}"
        r"|rnd_[A-Za-z0-9]{28,}|mlsn\.[0-9a-f]{64}|dd(?:app|pat)_[A-Za-z0-9_-]{30,}",
        "developer.riotgames.com, posthog.com/docs/api, stytch.com/docs, docs.mapbox.com/help/"
        "dive-deeper/access-tokens, developers.intercom.com, developer.atlassian.com/cloud/trello, "
        "docs.datadoghq.com",
    ),
    word("Pulumi token", "pul-", r"pul-[0-9a-f]{40}", "www.pulumi.com/docs"),
    word(
        "Doppler token",
        "dp.",
        r"dp\.(?:pt|ct|sa|scim|audit|said|st)(?:\.[a-z0-9_-]{2,35})?\.[A-Za-z0-9]{40,44}",
        "docs.doppler.com/reference/auth-token-formats",
    ),
    word("Infisical token", "st.", r"st\.[0-9a-f]{24}\.[\w.]{30,}", "infisical.com/docs"),
    word(
        "1Password token",
        "ops_eyJ A3-",
        r"ops_eyJ[\w+/=-]{40,}|A3-[A-Z0-9]{6}-(?:[A-Z0-9]{11}|[A-Z0-9]{6}-[A-Z0-9]{5})"
        r"(?:-[A-Z0-9]{5}){3}",
        "developer.1password.com/docs/service-accounts",
    ),
    shape(
        "age key",
        "AGE-SECRET-KEY-1",
        r"AGE-SECRET-KEY-1[0-9A-Z]{58}",
        "github.com/C2SP/C2SP/blob/main/age.md",
    ),
    shape(
        "Grafana token",
        "glsa_ glc_ eyJrIjoi",
        r"glsa_[A-Za-z0-9]{32}_[0-9a-fA-F]{8}|glc_[\w+/=-]{32,}|eyJrIjoi[\w+/=-]{50,}",
        "grafana.com/docs/grafana/latest/administration/service-accounts",
    ),
    word(
        "New Relic key",
        "NR",
        r"NR(?:AK|JS|II|IQ|RA|AA|SP)-[\w-]{19,}|(?:[a-z]{2}\d\d[x]{2})?[0-9a-f]{30,36}NRAL",
        "docs.newrelic.com/docs/apis/intro-apis/new-relic-api-keys",
    ),
    shape(
        "Sentry token",
        "sntry",
        r"sntry[usa]_[\w+/=-]{40,}",
        "docs.sentry.io/account/auth-tokens",
    ),
    shape(
        "Dynatrace token",
        "dt0",
        r"dt0[a-z]\d\d\.[A-Z0-9]{8,24}\.[A-Z0-9]{64}",
        "docs.dynatrace.com/docs/manage/identity-access-management/access-tokens-and-oauth-clients",
    ),
    word("Honeycomb key", "hc", r"hc[abx][il][kc]_[a-z0-9]{58}", "docs.honeycomb.io"),
    word(
        "PagerDuty, Databricks, PlanetScale, Supabase, Netlify, Prefect token",
        "pdus+ dapi dose pscale_ sbp_ sb_secret_ nfp_ pnu_ pnb_",
        r"(?:pd(?:us|eu)\+[\w-]{10,}|(?:dapi|dose|dkea)[0-9a-f]{32}(?:-\d)?"
        r"|pscale_(?:tkn|pw|oauth)_[\w=.-]{32,}|sbp_(?:v0_)?[0-9a-f]{40}|sb_secret_[\w-]{20,}"
        r"|nf[pcu]_[A-Za-z0-9]{36}|pn[ub]_[A-Za-z0-9]{36})",
        "docs.databricks.com/dev-tools/auth/pat, planetscale.com/docs, supabase.com/docs",
    ),
    word(
        "LaunchDarkly key",
        "sdk- api- mob-",
        rf"(?:sdk|api|mob)-{UUID}",
        "launchdarkly.com/docs/home/account/api",
    ),
    shape(
        "RapidAPI key",
        "jsn",
        r"[0-9a-f]{10}msh[0-9a-f]{15}p1[0-9a-f]{6}jsn[0-9a-f]{12}",
        "docs.rapidapi.com/docs/keys-and-key-rotation",
    ),
)
