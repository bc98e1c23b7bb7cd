"""What the account costs as it holds more: objects, log lines and labs, beside other local accounts."""
