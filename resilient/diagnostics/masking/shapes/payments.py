"""Tokens of payments and shops."""

from __future__ import annotations

from resilient.diagnostics.masking.shapes.shape import UUID, E, Shape, shape, word

PAYMENTS: tuple[Shape, ...] = (
    word(
        "Stripe and ElevenLabs key",
        "sk_ rk_ whsec_ ek_",
        r"(?:sk|rk|ek)_(?:live|test|prod)_[A-Za-z0-9]{10,255}|whsec_[A-Za-z0-9+/=]{24,}"
        r"|sk_[0-9a-f]{48}(?![\w-])",
        "docs.stripe.com/keys and docs.stripe.com/webhooks; elevenlabs.io/docs",
    ),
    word(
        "Square token",
        "sq0 EAAA",
        r"sq0[a-z]{3}-[\w-]{22,43}|EAAA[\w-]{56,60}(?![\w-])",
        "developer.squareup.com/docs/build-basics/access-tokens",
    ),
    word(
        "PayPal token",
        "A21AA",
        r"A21AA[\w-]{60,}",
        "developer.paypal.com/api/rest/authentication, sample responses",
    ),
    shape(
        "Braintree token",
        "access_token$",
        r"access_token\$(?:production|sandbox)\$[0-9a-z]{16}\$[0-9a-f]{32}",
        "developer.paypal.com/braintree/docs",
    ),
    word(
        "Plaid token",
        "access- public- link-",
        rf"(?:access|public|link)-(?:sandbox|development|production)-{UUID}",
        "plaid.com/docs/api/tokens",
    ),
    word(
        "Razorpay, Lob, Paystack, Flutterwave, Mollie, GoCardless key",
        "rzp_ live_ test_ FLWSECK",
        rf"rzp_(?:live|test)_[A-Za-z0-9]{{14,}}|(?:live|test)_(?:pub_)?[0-9a-f]{{35}}{E}"
        r"|FLWSECK(?:_TEST)?-[0-9A-Za-z]{32}-X"
        # Mollie's and GoCardless': mixed, so that no identifier of a program is one.
        r"|(?:live_|test_(?=[A-Za-z0-9]{30}(?![\w-])))(?=(?:[A-Za-z_-]{0,39}\d){3})"
        r"(?=(?:[a-z0-9_-]{0,39}[A-Z]){3})(?:[A-Za-z0-9]{30}|[\w-]{40})(?![\w-])",
        "razorpay.com/docs/api/authentication, docs.lob.com, developer.flutterwave.com, "
        "docs.mollie.com, developer.gocardless.com",
    ),
    word(
        "Paddle, Klarna key",
        "pdl_ klarna_",
        r"pdl_[a-z_]{3,20}_[0-9a-z]{26}_\w{20,}|klarna_(?:live|test)_api_[^\s\"'<>\\]{40,}",
        "developer.paddle.com, docs.klarna.com",
    ),
    shape(
        "Shopify token",
        "shp",
        r"shp(?:at|ca|pa|ss|tka|ua)_[0-9a-fA-F]{32}",
        "shopify.dev/changelog/length-of-the-shopify-access-token-is-increasing",
    ),
    word(
        "EasyPost, Shippo, Duffel key",
        "EZ shippo_ duffel_",
        r"EZ[AT]K[A-Za-z0-9]{54}|shippo_(?:live|test)_[0-9a-f]{40}"
        r"|duffel_(?:live|test)_[\w=-]{43}",
        "docs.easypost.com, docs.goshippo.com, duffel.com/docs/api",
    ),
)
