"""Peers of addresses in a process of their own: cpca and jionlp name county and town, tantivy finds an entry's row.

Commands come on standard input, one a line; "done" goes back when one is carried out.
  load NAME FOLDER   read FOLDER/texts.json; tantivy also indexes FOLDER/flat.json
  run NAME           answer all texts, as the peer's documentation shows, and keep the answers
  save NAME PATH     write the answers as JSON

cpca and jionlp look texts up in their own lists of the whole country.  tantivy holds the flat text of every entry in
bigrams, for Chinese has no spaces to cut at; a query is its bigrams, any of them, the best score (BM25) wins.
"""

import json
import sys
from pathlib import Path


class Cpca:
    """chinese_province_city_area_mapper."""

    def __init__(self, folder):
        import cpca  # noqa: PLC0415  # each process imports the peers it is asked for

        self._cpca = cpca
        self._texts = json.loads((folder / "texts.json").read_text())
        cpca.transform(self._texts[:1])  # builds its automaton

    def run(self):
        """Give (county, "") for each text."""
        found = self._cpca.transform(self._texts)
        return [[county or "", ""] for county in found["区"].astype(object).where(found["区"].notna(), "")]


class JioNLP:
    """jionlp with towns and villages."""

    def __init__(self, folder):
        import jionlp  # noqa: PLC0415  # it greets on standard output, which is another by now

        self._parse = jionlp.parse_location
        self._texts = json.loads((folder / "texts.json").read_text())
        self._parse(self._texts[0], town_village=True)  # reads its lists

    def run(self):
        """Give (county, town) for each text."""
        found = [self._parse(text, town_village=True) for text in self._texts]
        return [[answer["county"] or "", answer["town"] or ""] for answer in found]


class Tantivy:
    """A full-text index over flat texts."""

    def __init__(self, folder):
        import tantivy  # noqa: PLC0415

        self._tantivy = tantivy
        self._texts = json.loads((folder / "texts.json").read_text())
        builder = tantivy.SchemaBuilder()
        builder.add_text_field("text", tokenizer_name="bigrams", index_option="freq")
        builder.add_unsigned_field("row", stored=True)
        self._schema = builder.build()
        index = tantivy.Index(self._schema)
        index.register_tokenizer("bigrams", tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.ngram(2, 2)).build())
        writer = index.writer(256_000_000, 1)
        for row, text in enumerate(json.loads((folder / "flat.json").read_text())):
            writer.add_document(tantivy.Document(text=text, row=row))
        writer.commit()
        writer.wait_merging_threads()
        index.reload()
        self._searcher = index.searcher()

    def run(self):
        """Give the row of the entry that is most like each text."""
        return [self._best(text) for text in self._texts]

    def _best(self, text):
        query, occur = self._tantivy.Query, self._tantivy.Occur
        words = {text[i : i + 2] for i in range(len(text) - 1)}
        terms = [(occur.Should, query.term_query(self._schema, "text", word)) for word in sorted(words)]
        hits = self._searcher.search(query.boolean_query(terms), 1).hits
        return self._searcher.doc(hits[0][1])["row"][0] if hits else -1


PEERS = {"cpca": Cpca, "jionlp": JioNLP, "tantivy": Tantivy}


def main():
    """Carry out commands until input ends."""
    loaded, answers = {}, {}
    say, sys.stdout = sys.stdout, sys.stderr  # jionlp greets on standard output
    for line in sys.stdin:
        command, name, *rest = line.split()
        if command == "load":
            loaded[name] = PEERS[name](Path(rest[0]))
        elif command == "run":
            answers[name] = loaded[name].run()
        else:
            Path(rest[0]).write_text(json.dumps(answers[name], ensure_ascii=False))
        say.write("done\n")
        say.flush()


if __name__ == "__main__":
    main()
