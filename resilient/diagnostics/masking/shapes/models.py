"""Tokens of language models."""

from __future__ import annotations

from resilient.diagnostics.masking.shapes.shape import Shape, shape, word

MODELS: tuple[Shape, ...] = (
    shape(
        "Anthropic key",
        "sk-ant-",
        r"sk-ant-[\w-]{16,}",
        "platform.claude.com/docs/en/api/overview#authentication",
    ),
    word(
        "OpenAI key and its likes",
        "sk-",
        r"(?<![\w]-)sk-(?:proj|svcacct|admin|None|or-v1|lf|litellm)-[\w-]{16,}"
        r"|(?<![\w]-)sk-(?=[\w-]{0,40}\d)[A-Za-z0-9_]{16,}[\w-]*",
        "platform.openai.com/docs/api-reference/authentication",
    ),
    word(
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
)
