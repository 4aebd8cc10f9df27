"""Plans that come with the tool."""
