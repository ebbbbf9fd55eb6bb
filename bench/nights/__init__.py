"""Years of nights in virtual time: how often is something wrong promoted, how soon a better one."""
