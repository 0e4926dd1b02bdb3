"""Tokens of code hosts, package registries and builds."""

from __future__ import annotations

from resilient.diagnostics.masking.shapes.shape import E, Shape, shape, word

CODE: tuple[Shape, ...] = (
    shape(
        "GitHub token",
        "ghp_ gho_ ghu_ ghs_ ghr_ github_pat_",
        r"gh[pousr]_[A-Za-z0-9_]{36,255}|github_pat_\w{22,255}",
        "docs.github.com/authentication/keeping-your-account-and-data-secure/"
        "about-authentication-to-github, token formats",
    ),
    shape(
        "GitLab token",
        "gl GR1348941 _gitlab_session=",
        r"gl(?:pat|oas|dt|rtr?|cbt|ptt|ft|imt|agent|wt|soat|ffct)-[\w.-]{20,}|GR1348941[\w-]{20,}"
        r"|_gitlab_session=(?P<secret>[0-9a-z]{32})",
        "docs.gitlab.com/security/tokens, token prefixes",
    ),
    word(
        "Atlassian token",
        "ATATT3 ATCTT3 ATBB",
        r"AT[AC]TT3[\w=.+/-]{40,}|ATBB[A-Za-z0-9]{20,}",
        "support.atlassian.com/atlassian-account/docs/manage-api-tokens-for-your-atlassian-account",
    ),
    shape(
        "npm token",
        "npm_",
        r"npm_[A-Za-z0-9]{36}",
        "github.blog/changelog/2021-09-23-npm-has-a-new-access-token-format",
    ),
    shape("PyPI token", "pypi-", r"pypi-[\w-]{50,}", "pypi.org/help/#apitoken"),
    shape(
        "RubyGems key",
        "rubygems_",
        r"rubygems_[0-9a-f]{48}",
        "guides.rubygems.org/api-key-scopes",
    ),
    word("crates.io token", "cio", rf"cio[A-Za-z0-9]{{32}}{E}", "crates.io/settings/tokens"),
    word("NuGet key", "oy2", rf"oy2[a-z0-9]{{43}}{E}", "learn.microsoft.com/nuget"),
    shape(
        "Docker token",
        "dckr_",
        r"dckr_(?:pat|oat)_[\w-]{27,}",
        "docs.docker.com/security/access-tokens",
    ),
    word(
        "JFrog key",
        "AKCp cmVmd",
        rf"(?:AKCp[A-Za-z0-9]{{69}}|cmVmd[A-Za-z0-9]{{59}}){E}",
        "jfrog.com/help/r/jfrog-platform-administration-documentation/api-key",
    ),
    shape("Clojars token", "CLOJARS_", r"CLOJARS_[0-9a-z]{60}", "github.com/clojars/clojars-web"),
    shape("CircleCI token", "CCIPAT_ CCIPRJ_", r"CCIP(?:AT|RJ)_\w{20,}", "circleci.com/docs"),
    shape("Buildkite token", "bkua_ bkaj_ bkct_", r"bk(?:ua|aj|ct)_[\w-]{30,}", "buildkite.com"),
)
