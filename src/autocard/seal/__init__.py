"""What keeps cards unreadable at rest: a keyring that wraps data keys, a sealer that uses them."""
