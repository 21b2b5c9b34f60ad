"""The torch and text parts that the engines share."""
