"""Tokens that are known by their shape, wherever they stand.

A shape is here if its vendor documents it, or a prefix of it that nothing else has; `source` says
where. What vendors call public (publishable keys, account ids) is none.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from resilient.diagnostics.masking.patterns import lazy
from resilient.diagnostics.masking.rule import MASK, is_allowed

_E = r"(?![A-Za-z0-9])"
_B64 = r"(?:[\w+/-]|%2[BbFf])"
"""A sign of base64 in one of its alphabets, also URL-encoded."""
_PAD = r"(?:=|%3[Dd]){0,2}"
_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


class Shape(NamedTuple):
    """hints: one of them is in every text that has such a token, in this case of letters.

    pattern: begins with a letter or digit, and has a group `secret` if not all of it is.
    is_word: it must not begin within a word.
    """

    name: str
    hints: tuple[str, ...]
    pattern: re.Pattern[str]
    source: str
    is_word: bool


def _shape(name: str, hints: str, pattern: str, source: str) -> Shape:
    return Shape(name, tuple(hints.split()), lazy(pattern), source, is_word=False)


def _word(name: str, hints: str, pattern: str, source: str) -> Shape:
    return Shape(name, tuple(hints.split()), lazy(pattern), source, is_word=True)


SHAPES: tuple[Shape, ...] = (
    # Clouds.
    _word(
        "AWS access key id",
        "AKIA ASIA ABIA ACCA",
        rf"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{{16}}{_E}",
        "docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html, unique prefixes",
    ),
    _shape(
        "AWS session token",
        "FwoGZXIvYXdz IQoJb3JpZ2lu FQoGZXIvYXdz",
        r"(?:FwoGZXIvYXdz|IQoJb3JpZ2lu|FQoGZXIvYXdz)[\w+/=%-]{20,}",
        "docs.aws.amazon.com/STS/latest/APIReference/API_GetSessionToken.html, sample responses",
    ),
    _word(
        "Amazon Bedrock and MWS key",
        "ABSK bedrock-api-key- amzn.mws.",
        rf"(?:ABSK{_B64}{{80,}}|bedrock-api-key-{_B64}{{20,}}){_PAD}|amzn\.mws\.{_UUID}",
        "docs.aws.amazon.com/bedrock/latest/userguide/api-keys.html, "
        "developer-docs.amazon.com/sp-api",
    ),
    _shape(
        "Google API key",
        "AIza",
        r"AIza[\w-]{35}",
        "cloud.google.com/docs/authentication/api-keys",
    ),
    _word(
        "Google OAuth token",
        "ya29. 1//0 1%2 GOCSPX- GOOG1E",
        r"ya29\.[\w.-]{20,}|1(?://|(?:%2[Ff]){2})0[\w-]{30,}|GOCSPX-[\w-]{20,}"
        rf"|GOOG1E[A-Z2-7]{{15,55}}{_E}",
        "developers.google.com/identity/protocols/oauth2, token size and samples; "
        "cloud.google.com/storage/docs/authentication/hmackeys",
    ),
    _shape(
        "Azure client secret",
        "Q~",
        r"(?<![\w~.-])[\w~.-]{3}\dQ~[\w~.-]{31,34}",
        "learn.microsoft.com/purview/sit-defn-azure-ad-client-secret",
    ),
    _shape(
        "Azure key with a signature",
        "AzCa ACDb +A 2BA 2bA AzSe AzFu APIM AIoT JQQJ99",
        rf"{_B64}{{33,76}}(?:AzCa|ACDb|(?:\+|%2[Bb])(?:ABa|AMC|ASt|ACR)|AzSe|AzFu|APIM|AIoT)"
        rf"{_B64}{{5,6}}(?:[AQgw]?{_PAD})|[A-Za-z0-9]{{52}}JQQJ99[A-Za-z0-9]{{26}}",
        "github.com/microsoft/security-utilities, docs of identifiable keys",
    ),
    _shape(
        "Azure DevOps token",
        "AZDO",
        r"[A-Za-z0-9]{76}AZDO[A-Za-z0-9]{4}",
        "learn.microsoft.com/azure/devops/organizations/accounts/use-personal-access-tokens",
    ),
    _word(
        "Alibaba Cloud access key id",
        "LTAI",
        rf"LTAI[A-Za-z0-9]{{12,20}}{_E}",
        "alibabacloud.com/help/en/ram/user-guide/create-an-accesskey-pair",
    ),
    _word(
        "Tencent Cloud secret id",
        "AKID",
        rf"AKID[A-Za-z0-9]{{32}}{_E}",
        "cloud.tencent.com/document/api/213/30654",
    ),
    _shape(
        "DigitalOcean token",
        "dop_v1_ doo_v1_ dor_v1_",
        r"do[opr]_v1_[0-9a-f]{64}",
        "docs.digitalocean.com/reference/api/create-personal-access-token",
    ),
    _shape(
        "Heroku API key",
        "HRKU-",
        r"HRKU-[\w-]{36,}",
        "devcenter.heroku.com/articles/authentication",
    ),
    _word(
        "Fly.io token",
        "FlyV1 fm1r_ fm2_ fo1_",
        r"(?:fm1[ar]_|fm2_|fo1_)[\w+/=,-]{30,}",
        "fly.io/docs/security/tokens",
    ),
    _word(
        "Cloudflare token",
        "v1.0- cfut_ cfat_ cfk_",
        r"v1\.0-[0-9a-f]{24}-[0-9a-f]{146}|(?:cfut|cfat|cfk)_[A-Za-z0-9]{30,}",
        "developers.cloudflare.com/fundamentals/api/get-started/ca-keys",
    ),
    _word(
        "Yandex Cloud token",
        "t1. AQVN YCAJE y0_",
        r"(?:t1\.[A-Z0-9a-z_-]+[=]{0,2}\.[A-Za-z0-9_-]{86}={0,2}|AQVN[\w-]{35,38}"
        r"|YCAJE[\w-]{20}|y[0-3]_[\w-]{50,})",
        "yandex.cloud/en/docs/iam/concepts/authorization/iam-token",
    ),
    # Code hosting, packages, builds.
    _shape(
        "GitHub token",
        "ghp_ gho_ ghu_ ghs_ ghr_ github_pat_",
        r"gh[pousr]_[A-Za-z0-9_]{36,255}|github_pat_\w{22,255}",
        "docs.github.com/authentication/keeping-your-account-and-data-secure/"
        "about-authentication-to-github, token formats",
    ),
    _shape(
        "GitLab token",
        "gl GR1348941 _gitlab_session=",
        r"gl(?:pat|oas|dt|rtr?|cbt|ptt|ft|imt|agent|wt|soat|ffct)-[\w.-]{20,}|GR1348941[\w-]{20,}"
        r"|_gitlab_session=(?P<secret>[0-9a-z]{32})",
        "docs.gitlab.com/security/tokens, token prefixes",
    ),
    _word(
        "Atlassian token",
        "ATATT3 ATCTT3 ATBB",
        r"AT[AC]TT3[\w=.+/-]{40,}|ATBB[A-Za-z0-9]{20,}",
        "support.atlassian.com/atlassian-account/docs/manage-api-tokens-for-your-atlassian-account",
    ),
    _shape(
        "npm token",
        "npm_",
        r"npm_[A-Za-z0-9]{36}",
        "github.blog/changelog/2021-09-23-npm-has-a-new-access-token-format",
    ),
    _shape("PyPI token", "pypi-", r"pypi-[\w-]{50,}", "pypi.org/help/#apitoken"),
    _shape(
        "RubyGems key",
        "rubygems_",
        r"rubygems_[0-9a-f]{48}",
        "guides.rubygems.org/api-key-scopes",
    ),
    _word("crates.io token", "cio", rf"cio[A-Za-z0-9]{{32}}{_E}", "crates.io/settings/tokens"),
    _word("NuGet key", "oy2", rf"oy2[a-z0-9]{{43}}{_E}", "learn.microsoft.com/nuget"),
    _shape(
        "Docker token",
        "dckr_",
        r"dckr_(?:pat|oat)_[\w-]{27,}",
        "docs.docker.com/security/access-tokens",
    ),
    _word(
        "JFrog key",
        "AKCp cmVmd",
        rf"(?:AKCp[A-Za-z0-9]{{69}}|cmVmd[A-Za-z0-9]{{59}}){_E}",
        "jfrog.com/help/r/jfrog-platform-administration-documentation/api-key",
    ),
    _shape("Clojars token", "CLOJARS_", r"CLOJARS_[0-9a-z]{60}", "github.com/clojars/clojars-web"),
    _shape("CircleCI token", "CCIPAT_ CCIPRJ_", r"CCIP(?:AT|RJ)_\w{20,}", "circleci.com/docs"),
    _shape("Buildkite token", "bkua_ bkaj_ bkct_", r"bk(?:ua|aj|ct)_[\w-]{30,}", "buildkite.com"),
    # Payments.
    _word(
        "Stripe and ElevenLabs key",
        "sk_ rk_ whsec_ ek_",
        r"(?:sk|rk|ek)_(?:live|test|prod)_[A-Za-z0-9]{10,255}|whsec_[A-Za-z0-9+/=]{24,}"
        r"|sk_[0-9a-f]{48}(?![\w-])",
        "docs.stripe.com/keys and docs.stripe.com/webhooks; elevenlabs.io/docs",
    ),
    _word(
        "Square token",
        "sq0 EAAA",
        r"sq0[a-z]{3}-[\w-]{22,43}|EAAA[\w-]{56,60}(?![\w-])",
        "developer.squareup.com/docs/build-basics/access-tokens",
    ),
    _word(
        "PayPal token",
        "A21AA",
        r"A21AA[\w-]{60,}",
        "developer.paypal.com/api/rest/authentication, sample responses",
    ),
    _shape(
        "Braintree token",
        "access_token$",
        r"access_token\$(?:production|sandbox)\$[0-9a-z]{16}\$[0-9a-f]{32}",
        "developer.paypal.com/braintree/docs",
    ),
    _word(
        "Plaid token",
        "access- public- link-",
        rf"(?:access|public|link)-(?:sandbox|development|production)-{_UUID}",
        "plaid.com/docs/api/tokens",
    ),
    _word(
        "Razorpay, Lob, Paystack, Flutterwave, Mollie, GoCardless key",
        "rzp_ live_ test_ FLWSECK",
        rf"rzp_(?:live|test)_[A-Za-z0-9]{{14,}}|(?:live|test)_(?:pub_)?[0-9a-f]{{35}}{_E}"
        r"|FLWSECK(?:_TEST)?-[0-9A-Za-z]{32}-X"
        # Mollie's and GoCardless': mixed, so that no identifier of a program is one.
        r"|(?:live_|test_(?=[A-Za-z0-9]{30}(?![\w-])))(?=(?:[A-Za-z_-]{0,39}\d){3})"
        r"(?=(?:[a-z0-9_-]{0,39}[A-Z]){3})(?:[A-Za-z0-9]{30}|[\w-]{40})(?![\w-])",
        "razorpay.com/docs/api/authentication, docs.lob.com, developer.flutterwave.com, "
        "docs.mollie.com, developer.gocardless.com",
    ),
    _word(
        "Paddle, Klarna key",
        "pdl_ klarna_",
        r"pdl_[a-z_]{3,20}_[0-9a-z]{26}_\w{20,}|klarna_(?:live|test)_api_[^\s\"'<>\\]{40,}",
        "developer.paddle.com, docs.klarna.com",
    ),
    _shape(
        "Shopify token",
        "shp",
        r"shp(?:at|ca|pa|ss|tka|ua)_[0-9a-fA-F]{32}",
        "shopify.dev/changelog/length-of-the-shopify-access-token-is-increasing",
    ),
    _word(
        "EasyPost, Shippo, Duffel key",
        "EZ shippo_ duffel_",
        r"EZ[AT]K[A-Za-z0-9]{54}|shippo_(?:live|test)_[0-9a-f]{40}"
        r"|duffel_(?:live|test)_[\w=-]{43}",
        "docs.easypost.com, docs.goshippo.com, duffel.com/docs/api",
    ),
    # Messages.
    _shape(
        "Slack token",
        "xox xapp- xwfp-",
        r"xox[a-zA-Z](?:\.xox[a-z])?-[\w%+/=-]{10,}|xoxe[.-][\w.-]{10,}|x(?:app|wfp)-\d?-?[\w-]{10,}",
        "docs.slack.dev/authentication/tokens",
    ),
    _shape(
        "webhook address",
        "hooks.slack.com webhooks outlook.office webhook.office.com hooks.zapier.com",
        r"(?:hooks\.slack\.com\\?/(?:services|workflows|triggers)|discord(?:app)?\.com\\?/api\\?/webhooks"
        r"|outlook\.office(?:365)?\.com\\?/webhook|webhook\.office\.com\\?/webhookb2|hooks\.zapier\.com\\?/hooks\\?/catch)"
        r"\\?/(?P<secret>[\w@/\\-]{8,}[\w-])",
        "docs.slack.dev/messaging/sending-messages-using-incoming-webhooks, "
        "discord.com/developers/docs/resources/webhook",
    ),
    _word(
        "Discord bot token",
        "M N O",
        r"[MNO](?=[\w-]{0,26}\d)[\w-]{23,27}\.[\w-]{6}\.[\w-]{27,40}(?![\w-])",
        "discord.com/developers/docs/reference#authentication",
    ),
    _word(
        "Telegram bot token",
        ":AA %3AAA",
        r"(?:bot)?(?P<secret>\d{8,10}(?::|%3A)AA[\w-]{32,35})",
        "core.telegram.org/bots/api#authorizing-your-bot",
    ),
    _word(
        "Twilio key",
        "SK",
        rf"SK[0-9a-f]{{32}}{_E}",
        "www.twilio.com/docs/glossary/what-is-a-sid",
    ),
    _word(
        "Twilio token behind the id of its account",
        "AC",
        r"AC[0-9a-f]{32}(?:\\{0,3}[\"'],[ ]?\\{0,3}[\"']|:|%3A)"
        rf"(?P<secret>[0-9a-f]{{32}}){_E}",
        "www.twilio.com/docs/iam/api/authtoken",
    ),
    _word(
        "SendGrid key",
        "SG.",
        r"SG\.[\w-]{16,32}\.[\w-]{16,64}",
        "www.twilio.com/docs/sendgrid/ui/account-and-settings/api-keys",
    ),
    _word(
        "Mailgun key",
        "key- -",
        rf"(?:pub)?key-[0-9a-f]{{32}}{_E}|[0-9a-f]{{32}}-[0-9a-f]{{8}}-[0-9a-f]{{8}}(?![\w-])",
        "documentation.mailgun.com/docs/mailgun/user-manual/api-key-mgmt",
    ),
    _word(
        "Mailchimp key",
        "-us",
        rf"[0-9a-f]{{32}}-us\d{{1,2}}{_E}",
        "mailchimp.com/help/about-api-keys",
    ),
    _shape(
        "Brevo key",
        "xkeysib- xsmtpsib-",
        r"x(?:key|smtp)sib-[0-9a-f]{64}-[A-Za-z0-9]{16}",
        "developers.brevo.com/docs/getting-started",
    ),
    _word(
        "Resend, MessageBird, Klaviyo, Mandrill key",
        "re_ pk_ md-",
        rf"re_[A-Za-z0-9]{{8}}_[A-Za-z0-9]{{20,}}|pk_[0-9a-f]{{34}}{_E}"
        rf"|md-[\w-]{{22}}(?![\w-])",
        "resend.com/docs, developers.klaviyo.com/en/docs/authenticate_, mailchimp.com/developer",
    ),
    # Language models.
    _shape(
        "Anthropic key",
        "sk-ant-",
        r"sk-ant-[\w-]{16,}",
        "platform.claude.com/docs/en/api/overview#authentication",
    ),
    _word(
        "OpenAI key and its likes",
        "sk-",
        r"(?<![\w]-)sk-(?:proj|svcacct|admin|None|or-v1|lf|litellm)-[\w-]{16,}"
        r"|(?<![\w]-)sk-(?=[\w-]{0,40}\d)[A-Za-z0-9_]{16,}[\w-]*",
        "platform.openai.com/docs/api-reference/authentication",
    ),
    _word(
        "keys of other models' vendors",
        "hf_ api_org_ r8_ gsk_ xai- pplx- nvapi- fw_ csk- tgp_v1_ jina_ tvly- lsv2_ pcsk_ sess- "
        "AQ.A",
        r"(?:hf_[A-Za-z]{30,}|hf_[A-Za-z0-9]{34,}|api_org_[A-Za-z0-9]{34}|r8_[\w]{37}"
        r"|gsk_[A-Za-z0-9]{40,}|xai-[A-Za-z0-9]{60,}|pplx-[A-Za-z0-9]{40,}|nvapi-[\w-]{60,}"
        r"|fw_[A-Za-z0-9]{20,}|csk-[a-z0-9]{40,}|tgp_v1_[\w-]{40,}|jina_[\w-]{50,}|pcsk_\w{40,}"
        r"|sess-[A-Za-z0-9]{40}|AQ\.Ab[\w-]{40,}|tvly-(?:dev-|prod-)?[A-Za-z0-9]{20,}"
        r"|lsv2_(?:pt|sk)_[0-9a-f]{32}_[0-9a-f]{10})",
        "huggingface.co/docs/hub/security-tokens, replicate.com/docs, console.groq.com/docs, "
        "docs.x.ai, docs.perplexity.ai, docs.nvidia.com, docs.smith.langchain.com, "
        "docs.pinecone.io",
    ),
    # Infrastructure and observation.
    _word(
        "Vault token",
        "hvs. hvb. hvr. s.",
        # Without a digit, it has more capital letters than a name in a program.
        rf"hv[sbr]\.[\w-]{{24,}}|s\.(?=[A-Za-z]{{0,23}}\d|(?:[a-z]{{0,17}}[A-Z]){{7}})"
        rf"[A-Za-z0-9]{{24}}{_E}",
        "developer.hashicorp.com/vault/docs/concepts/tokens",
    ),
    _word(
        "Terraform Cloud token",
        ".atlasv1.",
        r"[A-Za-z0-9]{14}\.atlasv1\.[\w-]{60,70}",
        "developer.hashicorp.com/terraform/cloud-docs/users-teams-organizations/api-tokens",
    ),
    _word(
        "Tailscale key",
        "tskey-",
        r"tskey-[a-z]{3,12}-\w{6,}-\w{16,}",
        "tailscale.com/kb/1277/key-prefixes",
    ),
    _word(
        "token of a database as a service",
        "napi_ AVNS_",
        rf"napi_[a-z0-9]{{60,}}|AVNS_[\w-]{{16,}}{_E}",
        "neon.com/docs/manage/api-keys, aiven.io/docs",
    ),
    _word(
        "token of a code analyzer",
        "sgp_ sqp_ squ_ sqa_ ico- snyk_",
        r"sgp_(?:(?:[0-9a-f]{16}|local)_)?[0-9a-f]{40}|sq[pua]_[0-9a-f]{40}"
        rf"|ico-[A-Za-z0-9]{{32}}{_E}|snyk_[a-z]{{2,6}}\.[\w.-]{{30,}}",
        "sourcegraph.com/docs/cli/how-tos/creating_an_access_token, "
        "docs.sonarsource.com/sonarqube/latest/user-guide/managing-tokens, www.infracost.io/docs",
    ),
    _word(
        "Riot, Twitch, PostHog, Stytch, Mapbox, Intercom, Trello, Render, MailerSend, Datadog key",
        "RGAPI- oauth: phx_ phs_ secret- sk.eyJ tk.eyJ dG9rO ATTA rnd_ mlsn. ddapp_ ddpat_",
        rf"RGAPI-{_UUID}|oauth:(?P<secret>[a-z0-9]{{30}}){_E}|ph[xs]_[A-Za-z0-9]{{40,}}"
        r"|secret-(?:live|test)-[\w=-]{30,}|[st]k\.eyJ[\w-]{40,}\.[\w-]{20,}|dG9rO[\w+/-]{40,}=*|ATTA[0-9a-zA-Z]{60,}"
        r"|rnd_[A-Za-z0-9]{28,}|mlsn\.[0-9a-f]{64}|dd(?:app|pat)_[A-Za-z0-9_-]{30,}",
        "developer.riotgames.com, posthog.com/docs/api, stytch.com/docs, docs.mapbox.com/help/"
        "dive-deeper/access-tokens, developers.intercom.com, developer.atlassian.com/cloud/trello, "
        "docs.datadoghq.com",
    ),
    _word("Pulumi token", "pul-", r"pul-[0-9a-f]{40}", "www.pulumi.com/docs"),
    _word(
        "Doppler token",
        "dp.",
        r"dp\.(?:pt|ct|sa|scim|audit|said|st)(?:\.[a-z0-9_-]{2,35})?\.[A-Za-z0-9]{40,44}",
        "docs.doppler.com/reference/auth-token-formats",
    ),
    _word("Infisical token", "st.", r"st\.[0-9a-f]{24}\.[\w.]{30,}", "infisical.com/docs"),
    _word(
        "1Password token",
        "ops_eyJ A3-",
        r"ops_eyJ[\w+/=-]{40,}|A3-[A-Z0-9]{6}-(?:[A-Z0-9]{11}|[A-Z0-9]{6}-[A-Z0-9]{5})"
        r"(?:-[A-Z0-9]{5}){3}",
        "developer.1password.com/docs/service-accounts",
    ),
    _shape(
        "age key",
        "AGE-SECRET-KEY-1",
        r"AGE-SECRET-KEY-1[0-9A-Z]{58}",
        "github.com/C2SP/C2SP/blob/main/age.md",
    ),
    _shape(
        "Grafana token",
        "glsa_ glc_ eyJrIjoi",
        r"glsa_[A-Za-z0-9]{32}_[0-9a-fA-F]{8}|glc_[\w+/=-]{32,}|eyJrIjoi[\w+/=-]{50,}",
        "grafana.com/docs/grafana/latest/administration/service-accounts",
    ),
    _word(
        "New Relic key",
        "NR",
        r"NR(?:AK|JS|II|IQ|RA|AA|SP)-[\w-]{19,}|(?:[a-z]{2}\d\d[x]{2})?[0-9a-f]{30,36}NRAL",
        "docs.newrelic.com/docs/apis/intro-apis/new-relic-api-keys",
    ),
    _shape(
        "Sentry token",
        "sntry",
        r"sntry[usa]_[\w+/=-]{40,}",
        "docs.sentry.io/account/auth-tokens",
    ),
    _shape(
        "Dynatrace token",
        "dt0",
        r"dt0[a-z]\d\d\.[A-Z0-9]{8,24}\.[A-Z0-9]{64}",
        "docs.dynatrace.com/docs/manage/identity-access-management/access-tokens-and-oauth-clients",
    ),
    _word("Honeycomb key", "hc", r"hc[abx][il][kc]_[a-z0-9]{58}", "docs.honeycomb.io"),
    _word(
        "PagerDuty, Databricks, PlanetScale, Supabase, Netlify, Prefect token",
        "pdus+ dapi dose pscale_ sbp_ sb_secret_ nfp_ pnu_ pnb_",
        r"(?:pd(?:us|eu)\+[\w-]{10,}|(?:dapi|dose|dkea)[0-9a-f]{32}(?:-\d)?"
        r"|pscale_(?:tkn|pw|oauth)_[\w=.-]{32,}|sbp_(?:v0_)?[0-9a-f]{40}|sb_secret_[\w-]{20,}"
        r"|nf[pcu]_[A-Za-z0-9]{36}|pn[ub]_[A-Za-z0-9]{36})",
        "docs.databricks.com/dev-tools/auth/pat, planetscale.com/docs, supabase.com/docs",
    ),
    _word(
        "LaunchDarkly key",
        "sdk- api- mob-",
        rf"(?:sdk|api|mob)-{_UUID}",
        "launchdarkly.com/docs/home/account/api",
    ),
    _shape(
        "RapidAPI key",
        "jsn",
        r"[0-9a-f]{10}msh[0-9a-f]{15}p1[0-9a-f]{6}jsn[0-9a-f]{12}",
        "docs.rapidapi.com/docs/keys-and-key-rotation",
    ),
    # Work.
    _word(
        "HubSpot token",
        "pat-",
        rf"pat-(?:na|eu|ap)\d-{_UUID}",
        "developers.hubspot.com/docs/guides/apps/private-apps/overview",
    ),
    _word(
        "Airtable token",
        "pat",
        r"pat[A-Za-z0-9]{14}\.[0-9a-f]{64}",
        "airtable.com/developers/web/guides/personal-access-tokens",
    ),
    _word(
        "Notion token",
        "secret_ ntn_",
        r"(?:secret_[A-Za-z0-9]{43}|ntn_[A-Za-z0-9]{40,})",
        "developers.notion.com/page/changelog, September 2024",
    ),
    _word(
        "Linear, Figma, Postman, Typeform, Contentful, Frame.io, ReadMe, Asana, ClickUp token",
        "lin_ figd_ figu_ PMAK- tfp_ CFPAT- fio-u- rdme_ pk_ 1/ 2/ 2%2",
        r"lin_(?:api|oauth)_[A-Za-z0-9]{32,}|fig[dour]r?_[\w-]{20,}"
        r"|PMAK-[0-9a-f]{24}-[0-9a-f]{34}|tfp_[\w.-]{40,}|CFPAT-[\w-]{43}"
        r"|fio-u-[\w-]{60,}|rdme_[a-z0-9]{70}|pk_\d{6,9}_[A-Z0-9]{32}"
        r"|[12](?:/|%2[Ff])\d{13,20}(?:(?:/|%2[Ff])\d{13,20})?(?::|%3[Aa])[0-9a-f]{32}",
        "linear.app/developers, developers.figma.com, learning.postman.com, "
        "www.typeform.com/developers, www.contentful.com/developers, developers.asana.com",
    ),
    _word(
        "Dropbox, Facebook, Instagram, Firebase, X token",
        "sl. EAA IGQ :APA91 %3AAPA91 AAAAAAAAAA",
        r"sl\.(?:[bu]\.)?[\w-]{100,}|EAA[A-Za-z0-9]{60,}|IGQ[A-Za-z0-9][\w-]{80,}|A{20,30}[\w%]{40,}"
        r"|AAAA[\w-]{7}(?::|%3A)APA91[\w-]{80,}",
        "www.dropbox.com/developers/documentation, developers.facebook.com, docs.x.com, "
        "firebase.google.com/docs/cloud-messaging",
    ),
    _word(
        "Salesforce session",
        "00D",
        r"00D[A-Za-z0-9]{12,15}(?:!|%21)[\w.]{40,}",
        "help.salesforce.com, OAuth 2.0 web server flow",
    ),
    _word(
        "Harness token",
        "pat. sat.",
        r"[ps]at\.[\w-]{22}\.[0-9a-f]{24}\.[A-Za-z0-9]{20}",
        "developer.harness.io",
    ),
    _word(
        "Adobe, Defined Networking, Octopus, MaxMind, Scalingo, Vercel, OpenShift and other token",
        "p8e- s-s4t2 dnkey- API- _mmk tk-us- sm_aat_ vcp_ vck_ sha256~",
        r"p8e-[A-Za-z0-9]{32}|s-s4t2(?:ud|af)-[0-9a-f]{64}"
        rf"|dnkey-[\w=-]{{26}}-[\w=-]{{52}}|API-(?=[A-Z]{{0,25}}\d)[A-Z0-9]{{25,27}}{_E}"
        r"|[A-Za-z0-9]{6}_[A-Za-z0-9]{29}_mmk|tk-us-[\w-]{48}|sm_aat_[A-Za-z0-9]{16}"
        rf"|vc[pk]_[A-Za-z0-9]{{40,}}{_E}|sha256~[\w-]{{43}}",
        "developer.adobe.com, api.intra.42.fr, docs.defined.net, octopus.com"
        "/docs, dev.maxmind.com, developers.scalingo.com, vercel.com/docs, "
        "docs.openshift.com",
    ),
    _shape(
        "Okta token",
        "SSWS",
        r"SSWS (?P<secret>[\w-]{30,})",
        "developer.okta.com/docs/guides/create-an-api-token",
    ),
    # Standards.
    _word(
        "PASETO",
        ".local. .public.",
        r"v[1-4]\.(?:local|public)\.[\w-]{40,}(?:\.[\w-]+)?",
        "github.com/paseto-standard/paseto-spec",
    ),
    _word(
        "Fernet token",
        "gAAAAA",
        r"gAAAAA[\w-]{94,}={0,2}",
        "github.com/fernet/spec/blob/master/Spec.md",
    ),
    _shape(
        "private key in base64",
        "LS0tLS1CRUdJTi",
        r"LS0tLS1CRUdJTi(?P<secret>(?:BQUklW|BSU0Eg|BFQyBQ|BEU0Eg|BPUEVO|BFTkNSWVBURUQg|BQR1AgUFJJ)"
        r"[\w+/=-]{30,})",
        "RFC 4648 4 of RFC 7468",
    ),
    _shape(
        "password hash",
        "$2 $argon2 $6$ $5$ $1$ $apr1$ $y$ $P$ $scrypt pbkdf2",
        r"\$2[abxy]?\$\d\d\$[./A-Za-z0-9]{53}|\$argon2(?:id|i|d)\$[\w$=,+/.-]{30,}"
        r"|\$(?:[156P]|y|apr1|scrypt)\$[\w$=./,]{20,}|pbkdf2[_:]sha\d{1,3}[$:]\d{3,8}[$:][\w$:+/=]{20,}",
        "man 5 crypt; docs.djangoproject.com/topics/auth/passwords",
    ),
)


def without_shapes(text: str) -> str:
    """The text without tokens of known shape."""
    for hints, pattern, replaced in _PREPARED:
        for hint in hints:
            if hint in text:
                text = pattern.sub(replaced, text)
                break
    return _without_jwts(text) if "eyJ" in text else text


def _masked(found: re.Match[str]) -> str:
    begin, end = found.span("secret") if "secret" in found.re.groupindex else found.span()
    if begin < 0:
        begin, end = found.span()
    if is_allowed(found.string[begin:end]):
        return found[0]
    return found[0][: begin - found.start()] + MASK + found[0][end - found.start() :]


# Escapes and colors in front of a token end with a letter or a digit.
_WITHIN_WORD = lazy(r"(?<=[A-Za-z0-9])(?<!\\[nrt])(?<!%[0-9A-Fa-f]{2})(?<![0-9;\[]m)")


def _masked_word(found: re.Match[str]) -> str:
    return found[0] if _WITHIN_WORD.match(found.string, found.start()) else _masked(found)


_PREPARED = tuple(
    (shape.hints, shape.pattern, _masked_word if shape.is_word else _masked) for shape in SHAPES
)

# RFC 7515 7.1 and 7516 7.1: parts in base64url, the first one a JSON object's: {" is eyJ. Sessions
# of Flask and itsdangerous are alike.
_JWT_PART = lazy(r"[\w=-]*")


def _without_jwts(text: str) -> str:
    parts: list[str] = []
    done = 0
    at = text.find("eyJ")
    while at >= 0:
        end, dots = _jwt_end(text, at)
        if dots >= 2 and end - at >= 24 and not is_allowed(text[at:end]):
            parts += (text[done:at], MASK)
            done = end
        at = text.find("eyJ", end)
    return "".join((*parts, text[done:])) if parts else text


def _jwt_end(text: str, at: int) -> tuple[int, int]:
    dots = 0
    while True:
        found = _JWT_PART.match(text, at)
        at = at if found is None else found.end()
        following = text[at + 1 : at + 2]
        if dots == 4 or text[at : at + 1] != "." or not (following.isalnum() or following in "-_"):
            return at, dots
        dots += 1
        at += 1
