/** A link of a circular list that knows no owner: whatever holds the link can take it out, at no cost. */
export class Link {
  previous: Link = this;
  next: Link = this;

  /** Takes this link out of the list that holds it. */
  unlink(): void {
    this.previous.next = this.next;
    this.next.previous = this.previous;
    this.previous = this;
    this.next = this;
  }

  /** Moves this link to the end of the list that `head` stands for. */
  appendTo(head: Link): void {
    this.unlink();
    this.previous = head.previous;
    this.next = head;
    head.previous.next = this;
    head.previous = this;
  }

  /** Moves the whole list that this link stands for to the end of that of `head`, however long it is. */
  emptyInto(head: Link): void {
    if (this.next === this) return;
    head.previous.next = this.next;
    this.next.previous = head.previous;
    head.previous = this.previous;
    this.previous.next = head;
    this.previous = this;
    this.next = this;
  }
}
