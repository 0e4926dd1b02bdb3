"""Tokens of mail, chats and telephony, and addresses of webhooks."""

from __future__ import annotations

from resilient.diagnostics.masking.shapes.shape import E, Shape, shape, word

MESSAGES: tuple[Shape, ...] = (
    shape(
        "Slack token",
        "xox xapp- xwfp-",
        r"xox[a-zA-Z](?:\.xox[a-z])?-[\w%+/=-]{10,}|xoxe[.-][\w.-]{10,}|x(?:app|wfp)-\d?-?[\w-]{10,}",
        "docs.slack.dev/authentication/tokens",
    ),
    shape(
        "webhook address",
        "hooks.slack.com webhooks outlook.office webhook.office.com hooks.zapier.com",
        r"(?:hooks\.slack\.com\\?/(?:services|workflows|triggers)|discord(?:app)?\.com\\?/api\\?/webhooks"
        r"|outlook\.office(?:365)?\.com\\?/webhook|webhook\.office\.com\\?/webhookb2|hooks\.zapier\.com\\?/hooks\\?/catch)"
        r"\\?/(?P<secret>[\w@/\\-]{8,}[\w-])",
        "docs.slack.dev/messaging/sending-messages-using-incoming-webhooks, "
        "discord.com/developers/docs/resources/webhook",
    ),
    word(
        "Discord bot token",
        "M N O",
        r"[MNO](?=[\w-]{0,26}\d)[\w-]{23,27}\.[\w-]{6}\.[\w-]{27,40}(?![\w-])",
        "discord.com/developers/docs/reference#authentication",
    ),
    word(
        "Telegram bot token",
        ":AA %3AAA",
        r"(?:bot)?(?P<secret>\d{8,10}(?::|%3A)AA[\w-]{32,35})",
        "core.telegram.org/bots/api#authorizing-your-bot",
    ),
    word(
        "Twilio key",
        "SK",
        rf"SK[0-9a-f]{{32}}{E}",
        "www.twilio.com/docs/glossary/what-is-a-sid",
    ),
    word(
        "Twilio token behind the id of its account",
        "AC",
        r"AC[0-9a-f]{32}(?:\\{0,3}[\"'],[ ]?\\{0,3}[\"']|:|%3A)"
        rf"(?P<secret>[0-9a-f]{{32}}){E}",
        "www.twilio.com/docs/iam/api/authtoken",
    ),
    word(
        "SendGrid key",
        "SG.",
        r"SG\.[\w-]{16,32}\.[\w-]{16,64}",
        "www.twilio.com/docs/sendgrid/ui/account-and-settings/api-keys",
    ),
    word(
        "Mailgun key",
        "key- -",
        rf"(?:pub)?key-[0-9a-f]{{32}}{E}|[0-9a-f]{{32}}-[0-9a-f]{{8}}-[0-9a-f]{{8}}(?![\w-])",
        "documentation.mailgun.com/docs/mailgun/user-manual/api-key-mgmt",
    ),
    word(
        "Mailchimp key",
        "-us",
        rf"[0-9a-f]{{32}}-us\d{{1,2}}{E}",
        "mailchimp.com/help/about-api-keys",
    ),
    shape(
        "Brevo key",
        "xkeysib- xsmtpsib-",
        r"x(?:key|smtp)sib-[0-9a-f]{64}-[A-Za-z0-9]{16}",
        "developers.brevo.com/docs/getting-started",
    ),
    word(
        "Resend, MessageBird, Klaviyo, Mandrill key",
        "re_ pk_ md-",
        rf"re_[A-Za-z0-9]{{8}}_[A-Za-z0-9]{{20,}}|pk_[0-9a-f]{{34}}{E}"
        rf"|md-[\w-]{{22}}(?![\w-])",
        "resend.com/docs, developers.klaviyo.com/en/docs/authenticate_, mailchimp.com/developer",
    ),
)
