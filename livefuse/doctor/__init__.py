"""What of this machine livefuse can use, and for what it cannot, the command that changes it."""
