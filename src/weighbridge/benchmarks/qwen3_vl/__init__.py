"""Qwen3-VL-235B-A22B-Instruct on the Shopify product catalogue."""
