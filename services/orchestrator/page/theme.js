// Before anything is painted: the theme that the reader chose, so that a dark page does not flash white.
// A classic script, since modules wait for the page; core/session.js knows the same name.
{
  const theme = localStorage.getItem("interleavethinker.choice.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
}
