"""The official endpoints client, mlcommons/endpoints, as an issuer: its configuration, runner and reader."""
