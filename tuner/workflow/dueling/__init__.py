"""What comparisons in pairs of blocks share: blocks in random order, and what answers say."""
