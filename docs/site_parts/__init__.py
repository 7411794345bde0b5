"""What makes the site's pages that do not stand in `docs/` as they are."""
