"""Learn: the list of chapters, and a lesson's text beside the live program."""
