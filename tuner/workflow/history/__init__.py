"""What happened to names in service: nights, promotions, and what served when."""
