"""AWS CodeConnections, by its own name and by its old one, AWS CodeStar Connections."""

from local_account.services.codeconnections.service import CodeConnections, CodeStarConnections

__all__ = ["CodeConnections", "CodeStarConnections"]
