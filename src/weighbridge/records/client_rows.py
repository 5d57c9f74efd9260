"""The rows of a dataset as the official endpoints client reads them, and what they were made from."""

from pydantic import Field

from weighbridge.core.models import Model, Sha256


class ClientRows(Model):
    """The proof beside a file of rows, which the client's own function made from a proven dataset."""

    preset: str = Field(description="The client's name of dataset and prompt, as NAME::PRESET.")
    path: str = Field(
        description="The Parquet file, below the folder beside the proof, as the client looks for it."
    )
    rows: int = Field(gt=0)
    sha256: Sha256 = Field(description="Of the rows' content, column by column, however the file is packed.")
    dataset_sha256: Sha256 = Field(description="Of the proof of the dataset that they were made from.")
    client_commit: str = Field(pattern=r"^[0-9a-f]{40}$")
