"""What ships for tests of this project and of third parties: contracts and fakes."""
