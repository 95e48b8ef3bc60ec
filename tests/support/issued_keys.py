"""Issued keys of the contract, and others."""

KEY_ID = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"


MADE_S = 1_750_000_000


VECTOR_A = (
    "ory_ak_v1_QixjHYYL488U6zBjcSAJchJoStiobPoN2NZeFepLRv7fXkvunFdTjqckLqj5G1pt_"
    "HNHaEG7x9ZK4XWsmEQa9dH4PRQ3WPJiFJSvMZY5gh5ut"
)


VECTOR_B = (
    "pk_test_v1_QixjHYYL488U6zBjcSAJchJoStiobPoN2NZeFepLRv7fXkvunFdTjqckLqj5G1pt_"
    "56QFhf34ofxdCu4gWU6bsgP1HQ4K2nzHZxwNqFKChds3"
)


ROTATED = "rotated-secret-rotated-secret-00"
