"""Files, named by their content: what is written cannot change, and two equal files are one.

Written before the transaction that mentions them commits: a file that nobody mentions is harmless, a mention without a file
would be a loss.
"""

from virage.core.blobs.folder import Blob, BlobMissing, open, put, read

__all__ = ["Blob", "BlobMissing", "open", "put", "read"]
