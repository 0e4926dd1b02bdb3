"""Tokens of clouds."""

from __future__ import annotations

from resilient.diagnostics.masking.shapes.shape import B64, PAD, UUID, E, Shape, shape, word

CLOUDS: tuple[Shape, ...] = (
    word(
        "AWS access key id",
        "AKIA ASIA ABIA ACCA",
        rf"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{{16}}{E}",
        "docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html, unique prefixes",
    ),
    shape(
        "AWS session token",
        "FwoGZXIvYXdz IQoJb3JpZ2lu FQoGZXIvYXdz",
        r"(?:FwoGZXIvYXdz|IQoJb3JpZ2lu|FQoGZXIvYXdz)[\w+/=%-]{20,}",
        "docs.aws.amazon.com/STS/latest/APIReference/API_GetSessionToken.html, sample responses",
    ),
    word(
        "Amazon Bedrock and MWS key",
        "ABSK bedrock-api-key- amzn.mws.",
        rf"(?:ABSK{B64}{{80,}}|bedrock-api-key-{B64}{{20,}}){PAD}|amzn\.mws\.{UUID}",
        "docs.aws.amazon.com/bedrock/latest/userguide/api-keys.html, "
        "developer-docs.amazon.com/sp-api",
    ),
    shape(
        "Google API key",
        "AIza",
        r"AIza[\w-]{35}",
        "cloud.google.com/docs/authentication/api-keys",
    ),
    word(
        "Google OAuth token",
        "ya29. 1//0 1%2 GOCSPX- GOOG1E",
        r"ya29\.[\w.-]{20,}|1(?://|(?:%2[Ff]){2})0[\w-]{30,}|GOCSPX-[\w-]{20,}"
        rf"|GOOG1E[A-Z2-7]{{15,55}}{E}",
        "developers.google.com/identity/protocols/oauth2, token size and samples; "
        "cloud.google.com/storage/docs/authentication/hmackeys",
    ),
    shape(
        "Azure client secret",
        "Q~",
        r"(?<![\w~.-])[\w~.-]{3}\dQ~[\w~.-]{31,34}",
        "learn.microsoft.com/purview/sit-defn-azure-ad-client-secret",
    ),
    shape(
        "Azure key with a signature",
        "AzCa ACDb +A 2BA 2bA AzSe AzFu APIM AIoT JQQJ99",
        rf"{B64}{{33,76}}(?:AzCa|ACDb|(?:\+|%2[Bb])(?:ABa|AMC|ASt|ACR)|AzSe|AzFu|APIM|AIoT)"
        rf"{B64}{{5,6}}(?:[AQgw]?{PAD})|[A-Za-z0-9]{{52}}JQQJ99[A-Za-z0-9]{{26}}",
        "github.com/microsoft/security-utilities, docs of identifiable keys",
    ),
    shape(
        "Azure DevOps token",
        "AZDO",
        r"[A-Za-z0-9]{76}AZDO[A-Za-z0-9]{4}",
        "learn.microsoft.com/azure/devops/organizations/accounts/use-personal-access-tokens",
    ),
    word(
        "Alibaba Cloud access key id",
        "LTAI",
        rf"LTAI[A-Za-z0-9]{{12,20}}{E}",
        "alibabacloud.com/help/en/ram/user-guide/create-an-accesskey-pair",
    ),
    word(
        "Tencent Cloud secret id",
        "AKID",
        rf"AKID[A-Za-z0-9]{{32}}{E}",
        "cloud.tencent.com/document/api/213/30654",
    ),
    shape(
        "DigitalOcean token",
        "dop_v1_ doo_v1_ dor_v1_",
        r"do[opr]_v1_[0-9a-f]{64}",
        "docs.digitalocean.com/reference/api/create-personal-access-token",
    ),
    shape(
        "Heroku API key",
        "HRKU-",
        r"HRKU-[\w-]{36,}",
        "devcenter.heroku.com/articles/authentication",
    ),
    word(
        "Fly.io token",
        "FlyV1 fm1r_ fm2_ fo1_",
        r"(?:fm1[ar]_|fm2_|fo1_)[\w+/=,-]{30,}",
        "fly.io/docs/security/tokens",
    ),
    word(
        "Cloudflare token",
        "v1.0- cfut_ cfat_ cfk_",
        r"v1\.0-[0-9a-f]{24}-[0-9a-f]{146}|(?:cfut|cfat|cfk)_[A-Za-z0-9]{30,}",
        "developers.cloudflare.com/fundamentals/api/get-started/ca-keys",
    ),
    word(
        "Yandex Cloud token",
        "t1. AQVN YCAJE y0_",
        r"(?:t1\.[A-Z0-9a-z_-]+[=]{0,2}\.[A-Za-z0-9_-]{86}={0,2}|AQVN[\w-]{35,38}"
        r"|YCAJE[\w-]{20}|y[0-3]_[\w-]{50,})",
        "yandex.cloud/en/docs/iam/concepts/authorization/iam-token",
    ),
)
