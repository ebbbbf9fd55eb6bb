"""What serves is compared with something better every night, and replaced by what is proven."""
